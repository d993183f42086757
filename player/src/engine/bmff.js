/** The little that the page itself reads of fragmented MP4 (ISO/IEC 14496-12): its tracks, and of a chunk the times, the capture time and the frames. */

const NTP_TO_UNIX_S = 2208988800;
/** Boxes with which decoders are set up, in a sample entry. */
const CONFIGS = ['avcC', 'hvcC', 'av1C', 'vpcC', 'esds', 'dOps', 'dfLa'];
/** Bytes of a sample entry before its boxes (sections 12.1.3 and 12.2.3). */
const ENTRY = { vide: 78, soun: 28 };
/** More samples than this in one run are taken for damage. */
const MAX_SAMPLES = 100_000;

/** Whether a message is an initialization segment. */
export function isInit(buffer) {
  return buffer.byteLength >= 8 && type(new DataView(buffer), 0) === 'ftyp';
}

/**
 * @typedef {object} Track
 * @property {number} scale         ticks a second
 * @property {string} kind          vide, soun
 * @property {Uint8Array | null} config  the payload of the box that sets up a decoder
 * @property {number[]} matrix      a b c d of `tkhd`, and then of `mvhd`
 * @property {number[]} matrices    where those stand in the init segment
 * @property {number[]} surface     width and height in `tkhd`
 * @property {number[]} coded       width and height of video
 * @property {number[] | null} pasp  width and height of a pixel
 * @property {number} rate          of sound, in Hz
 * @property {number} channels
 * @property {number} start         media time, in seconds, that is shown at time zero (edit list)
 * @property {[number, number, number]} defaults  duration, size and flags of a sample (trex)
 */

/** @returns {Map<number, Track>} by track ID */
export function tracks(init) {
  const found = new Map();
  guarded(() => readTracks(new DataView(init), found));
  return found;
}

/**
 * @returns {{track: number, time: number, captured: {media: number, wall: number} | null} | null} track ID and decode time (seconds) of the
 *   chunk's first frame, and what its prft box tells: the Unix time in ms at which the picture of a presentation time was captured
 */
export function chunkTime(chunk, tracks) {
  return guarded(() => readChunkTime(new DataView(chunk), tracks));
}

/** A picture that lasts less than this is decoded and not shown: an edit cut it away, and those after it are predicted from it. */
const HIDDEN_S = 0.001;

/**
 * The frames of a chunk.
 * @returns {{track: number, time: number, duration: number, key: boolean, hidden: boolean, data: Uint8Array}[]} presentation times and durations in seconds; what is
 *   damaged is left out
 */
export function frames(chunk, tracks) {
  const found = [];
  guarded(() => readFrames(new DataView(chunk), tracks, found));
  return found;
}

function readTracks(view, found) {
  const moov = find(view, top(view), 'moov');
  for (const trak of children(view, moov, 'trak')) {
    const tkhd = find(view, trak, 'tkhd');
    const mdia = find(view, trak, 'mdia');
    const mdhd = find(view, mdia, 'mdhd');
    if (!tkhd || !mdhd) continue;
    // Both boxes begin with version and flags, then two times of 4 or (version 1) 8 bytes.
    const wide = at => (view.getUint8(at) === 1 ? 20 : 12);
    const scale = view.getUint32(mdhd[0] + wide(mdhd[0]));
    const start = readEdit(view, find(view, find(view, trak, 'edts'), 'elst')) / scale;
    found.set(view.getUint32(tkhd[0] + wide(tkhd[0])), { scale, start, ...readEntry(view, mdia), ...readSurface(view, tkhd, find(view, moov, 'mvhd')), defaults: [0, 0, 0] });
  }
  for (const [at] of children(view, find(view, moov, 'mvex'), 'trex')) {
    const track = found.get(view.getUint32(at + 4));
    if (track) track.defaults = [12, 16, 20].map(field => view.getUint32(at + field));
  }
}

/** Where the first edit begins, in ticks: after version, flags, count and a duration (section 8.6.6). */
function readEdit(view, elst) {
  if (!elst || view.getUint32(elst[0] + 4) === 0) return 0;
  const start = view.getUint8(elst[0]) === 1 ? Number(view.getBigInt64(elst[0] + 16)) : view.getInt32(elst[0] + 12);
  return Math.max(0, start);
}

/** Matrices and size (sections 8.2.2 and 8.3.2), behind times that are longer in version 1. */
function readSurface(view, tkhd, mvhd) {
  const matrices = [[tkhd, 40], [mvhd, 36]].filter(([box]) => box).map(([[start, end], at]) => [start + at + (view.getUint8(start) === 1 ? 12 : 0), end]).filter(([at, end]) => at + 36 <= end).map(([at]) => at);
  const one = at => [0, 1, 3, 4].map(place => view.getInt32(at + 4 * place) / 0x10000);
  const matrix = matrices.map(one).reduce(([a, b, c, d], [e, f, g, h]) => [e * a + g * b, f * a + h * b, e * c + g * d, f * c + h * d], [1, 0, 0, 1]);
  const size = tkhd[1] - 8;
  return { matrix, matrices, surface: [view.getUint32(size) / 0x10000, view.getUint32(size + 4) / 0x10000] };
}

/** The first sample entry of a track, and its decoder's configuration. */
function readEntry(view, mdia) {
  const hdlr = find(view, mdia, 'hdlr');
  const stsd = ['minf', 'stbl', 'stsd'].reduce((box, name) => find(view, box, name), mdia);
  const kind = hdlr ? type(view, hdlr[0] + 4) : '';
  const track = { kind, config: null, coded: [0, 0], pasp: null, rate: 0, channels: 0 };
  if (!stsd || !ENTRY[kind]) return track;
  const entry = stsd[0] + 8;
  if (kind === 'soun') Object.assign(track, { channels: view.getUint16(entry + 24), rate: view.getUint16(entry + 32) });
  const boxes = [entry + 8 + ENTRY[kind], Math.min(stsd[1], entry + view.getUint32(entry))];
  if (kind === 'vide') {
    const pasp = find(view, boxes, 'pasp');
    Object.assign(track, { coded: [view.getUint16(entry + 32), view.getUint16(entry + 34)], pasp: pasp ? [view.getUint32(pasp[0]), view.getUint32(pasp[0] + 4)] : null });
  }
  const config = CONFIGS.map(name => find(view, boxes, name)).find(Boolean);
  if (config) track.config = bytes(view, ...config);
  return track;
}

function readChunkTime(view, tracks) {
  const traf = find(view, find(view, top(view), 'moof'), 'traf');
  const tfhd = find(view, traf, 'tfhd');
  const tfdt = find(view, traf, 'tfdt');
  if (!tfhd || !tfdt) return null;
  const track = view.getUint32(tfhd[0] + 4);
  const scale = tracks.get(track)?.scale;
  if (!scale) return null;
  const prft = find(view, top(view), 'prft');
  const captured = prft && view.getUint32(prft[0] + 4) === track ? { media: time(view, prft[0], 16) / scale, wall: ntpToUnix(view, prft[0] + 8) } : null;
  return { track, time: time(view, tfdt[0], 4) / scale, captured };
}

function readFrames(view, tracks, found) {
  for (const moof of children(view, top(view), 'moof')) {
    for (const traf of children(view, moof, 'traf')) readRuns(view, moof[0] - 8, traf, tracks, found);
  }
}

/** All samples of one track in a fragment (tfhd, tfdt, trun: sections 8.8.7, 8.8.8 and 8.8.12). */
function readRuns(view, moof, traf, tracks, found) {
  const tfhd = find(view, traf, 'tfhd');
  const tfdt = find(view, traf, 'tfdt');
  const id = tfhd && view.getUint32(tfhd[0] + 4);
  const track = tracks.get(id);
  if (!tfdt || !track?.scale) return;
  const has = view.getUint32(tfhd[0]);
  const own = reader(view, tfhd[0] + 8 + (has & 1 ? 8 : 0) + (has & 2 ? 4 : 0));
  const defaults = track.defaults.map((value, i) => (has & (8 << i) ? own() : value));
  let decode = time(view, tfdt[0], 4);
  let at = moof;
  for (const [run] of children(view, traf, 'trun')) {
    const flags = view.getUint32(run);
    const count = Math.min(view.getUint32(run + 4), MAX_SAMPLES);
    const next = reader(view, run + 8);
    if (flags & 1) at = moof + (next() | 0);
    const first = flags & 4 ? next() : null;
    for (let i = 0; i < count; i++) {
      const [duration, size, kind] = [0, 1, 2].map(field => (flags & (0x100 << field) ? next() : field === 2 && i === 0 && first !== null ? first : defaults[field]));
      const offset = flags & 0x800 ? next() | 0 : 0;
      const data = bytes(view, at, at + size);
      // sample_is_non_sync_sample (section 8.8.3.1)
      const hidden = track.kind === 'vide' && duration / track.scale < HIDDEN_S;
      found.push({ track: id, time: (decode + offset) / track.scale, duration: duration / track.scale, key: !(kind & 0x10000), hidden, data });
      decode += duration;
      at += size;
    }
  }
}

function reader(view, at) {
  return () => view.getUint32((at += 4) - 4);
}

/** A time of 4 bytes, or 8 in version 1 of its box. */
function time(view, box, field) {
  return view.getUint8(box) === 1 ? Number(view.getBigUint64(box + field)) : view.getUint32(box + field);
}

function bytes(view, from, to) {
  if (to > view.byteLength) throw new RangeError('past the end');
  return new Uint8Array(view.buffer, view.byteOffset + from, to - from);
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
