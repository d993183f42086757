/** What is kept from one visit to the next. Where the browser keeps nothing (private windows, sandboxed frames) it is only forgotten. */
const VOLUME = 'h5live.volume';
const LATENCY = 'h5live.latency';

function recall(place) {
  try {
    return localStorage.getItem(place);
  } catch {
    return null;
  }
}

function keep(place, value) {
  try {
    localStorage.setItem(place, String(value));
  } catch {
    // See above.
  }
}

export function recallVolume() {
  const volume = Number(recall(VOLUME) ?? 1);
  return volume > 0 && volume <= 1 ? volume : 1;
}

export const keepVolume = volume => keep(VOLUME, volume);

/** The choice of latency in the menu. */
export const recallLatency = () => recall(LATENCY) ?? 'low';

export const keepLatency = choice => keep(LATENCY, choice);

/** Decoders that failed, by codec; kept while the tab is there. */
const DECODERS = 'h5live.decoders';
/** For so long one is not used again; each time twice as long as the time before. */
const DISTRUST_MS = { first: 60_000, most: 3_600_000 };

/** The decoder of this codec has failed. @returns {number} until when another transport is better, Unix ms */
export function distrust(codec, reason, now = Date.now()) {
  const known = recallDecoders();
  const wait = Math.min(DISTRUST_MS.most, 2 * (known[codec]?.wait ?? DISTRUST_MS.first / 2));
  const until = now + wait;
  try {
    sessionStorage.setItem(DECODERS, JSON.stringify({ ...known, [codec]: { reason, wait, until } }));
  } catch {
    // See above.
  }
  return until;
}

/** Why the decoder of this codec is not to be used now, and until when; null where it is. @returns {{reason: string, until: number} | null} */
export function distrusted(codec, now = Date.now()) {
  const known = recallDecoders()[codec];
  return known && now < known.until && known.until - now <= DISTRUST_MS.most ? known : null;
}

function recallDecoders() {
  try {
    return JSON.parse(sessionStorage.getItem(DECODERS)) ?? {};
  } catch {
    return {};
  }
}
