/** Codecs by their names of RFC 6381: what is offered to a server, and what is said of them to people. */

/** The first ones of H.264 are go2rtc's, which servers look for. */
export const VIDEO_CODECS = ['avc1.640029', 'avc1.64002A', 'avc1.640033', 'hvc1.1.6.L153.B0', 'av01.0.08M.08', 'vp09.00.40.08'];
export const AUDIO_CODECS = ['mp4a.40.2', 'mp4a.40.5', 'flac', 'opus', 'mp3'];

const NAMES = { avc: 'H.264', hvc: 'H.265', hev: 'H.265', av01: 'AV1', vp09: 'VP9', vp08: 'VP8' };

/** Whether a list of codecs names one for sound. */
export function isSound(codecs) {
  return /mp4a|opus|flac|mp3/i.test(codecs);
}

export function isVideo(codecs) {
  return /avc|hvc|hev|av01|vp0/i.test(codecs);
}

/** In words for people. */
export function notPlayed(codecs) {
  return `${spoken(codecs)} is not played by this browser`;
}

/** What they can do about it; '' for what every browser plays. */
export function cure(codecs) {
  return spoken(codecs) === 'H.264' ? '' : 'another browser may play it, or the stream can be encoded as H.264';
}

function spoken(codecs) {
  const name = Object.keys(NAMES).find(name => codecs.includes(name));
  return NAMES[name] ?? codecs;
}
