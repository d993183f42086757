/** The little that the page itself reads of fragmented MP4 (ISO/IEC 14496-12): which track a chunk is of, its time, and its capture time. */

const NTP_TO_UNIX_S = 2208988800;

/** Whether a message is an initialization segment. */
export function isInit(buffer) {
  return buffer.byteLength >= 8 && type(new DataView(buffer), 0) === 'ftyp';
}

/** @returns {Map<number, number>} timescale of each track, by track ID */
export function timescales(init) {
  const scales = new Map();
  guarded(() => readTimescales(new DataView(init), scales));
  return scales;
}

/**
 * @returns {{track: number, time: number, captured: number | null} | null} track ID and decode time (seconds) of the chunk's first frame,
 *   and the Unix time in ms that its prft box gives for it
 */
export function chunkTime(chunk, scales) {
  return guarded(() => readChunkTime(new DataView(chunk), scales));
}

function readTimescales(view, scales) {
  for (const trak of children(view, find(view, top(view), 'moov'), 'trak')) {
    const tkhd = find(view, trak, 'tkhd');
    const mdhd = find(view, find(view, trak, 'mdia'), 'mdhd');
    if (!tkhd || !mdhd) continue;
    // Both boxes begin with version and flags, then two times of 4 or (version 1) 8 bytes.
    const wide = at => (view.getUint8(at) === 1 ? 20 : 12);
    scales.set(view.getUint32(tkhd[0] + wide(tkhd[0])), view.getUint32(mdhd[0] + wide(mdhd[0])));
  }
}

function readChunkTime(view, scales) {
  const traf = find(view, find(view, top(view), 'moof'), 'traf');
  const tfhd = find(view, traf, 'tfhd');
  const tfdt = find(view, traf, 'tfdt');
  if (!tfhd || !tfdt) return null;
  const track = view.getUint32(tfhd[0] + 4);
  const scale = scales.get(track);
  if (!scale) return null;
  const decode = view.getUint8(tfdt[0]) === 1 ? Number(view.getBigUint64(tfdt[0] + 4)) : view.getUint32(tfdt[0] + 4);
  const prft = find(view, top(view), 'prft');
  const captured = prft && view.getUint32(prft[0] + 4) === track ? ntpToUnix(view, prft[0] + 8) : null;
  return { track, time: decode / scale, captured };
}

/** A box that is too short for its fields says nothing. */
function guarded(read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function ntpToUnix(view, at) {
  return (view.getUint32(at) - NTP_TO_UNIX_S) * 1000 + (view.getUint32(at + 4) * 1000) / 2 ** 32;
}

function top(view) {
  return [0, view.byteLength];
}

/** The first child of this type, as [start, end] of its payload. */
function find(view, parent, wanted) {
  return children(view, parent, wanted).next().value;
}

/** Children of one type. What runs over its parent's end is not yielded: nothing is read outside of the message. */
function* children(view, parent, wanted) {
  if (!parent) return;
  let [at, end] = parent;
  while (at + 8 <= end) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > end) return;
    if (type(view, at) === wanted) yield [at + 8, at + size];
    at += size;
  }
}

function type(view, at) {
  return String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5), view.getUint8(at + 6), view.getUint8(at + 7));
}
