/** The volume, kept from one visit to the next. Where the browser keeps nothing (private windows, sandboxed frames) it is only forgotten. */
const PLACE = 'h5live.volume';

export function recallVolume() {
  try {
    const volume = Number(localStorage.getItem(PLACE) ?? 1);
    return volume > 0 && volume <= 1 ? volume : 1;
  } catch {
    return 1;
  }
}

export function keepVolume(volume) {
  try {
    localStorage.setItem(PLACE, String(volume));
  } catch {
    // See above.
  }
}
