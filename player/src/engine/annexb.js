/**
 * H.264 and H.265 from MP4 as decoders of the browser take them without a description: NAL units behind start codes (Annex B of both standards), with
 * the parameter sets in band, so that they may change in the middle of the stream.
 */

const START = [0, 0, 0, 1];

/**
 * The parameter sets of an `avcC` or `hvcC` (ISO/IEC 14496-15, sections 5.3.3 and 8.3.3).
 * @returns {{length: number, isSet: (header: number) => boolean, sets: Uint8Array} | null} bytes of a length field, what a parameter set is, and all of
 *   them behind start codes; null for other codecs
 */
export function parameterSets(codec, config) {
  const kind = /^(avc|hvc|hev)/.exec(codec)?.[0];
  if (!kind) return null;
  const h264 = kind === 'avc';
  const isSet = h264 ? header => (header & 31) === 7 : header => ((header >> 1) & 63) === 33;
  const units = config ? (h264 ? avcUnits(config) : hevcUnits(config)) : [];
  const length = ((config?.[h264 ? 4 : 21] ?? 3) & 3) + 1;
  return { length, isSet, sets: Uint8Array.from(units.flatMap(unit => [...START, ...unit])) };
}

/** One frame's NAL units behind start codes; before a keyframe that has no parameter sets of its own, those of `sets`. */
export function toAnnexB({ key, data }, { length, isSet, sets }) {
  const units = [...nalUnits(data, length)];
  const before = key && !units.some(([from]) => isSet(data[from])) ? sets : new Uint8Array(0);
  const out = new Uint8Array(units.reduce((size, [from, to]) => size + START.length + to - from, before.length));
  out.set(before);
  let at = before.length;
  for (const [from, to] of units) {
    out.set(START, at);
    out.set(data.subarray(from, to), at + START.length);
    at += START.length + to - from;
  }
  return out;
}

/** What runs over the end, in a damaged frame, is left out. */
function* nalUnits(data, length) {
  for (let at = 0; at + length <= data.length; ) {
    let size = 0;
    for (let i = 0; i < length; i++) size = size * 256 + data[at++];
    if (at + size > data.length) return;
    if (size > 0) yield [at, at + size];
    at += size;
  }
}

/** A list of units, each behind a length of two bytes. */
function list(config, at, count, units) {
  for (; count > 0 && at + 2 <= config.length; count--) {
    const size = config[at] * 256 + config[at + 1];
    units.push(config.subarray(at + 2, at + 2 + size));
    at += 2 + size;
  }
  return at;
}

function avcUnits(config) {
  const units = [];
  const at = list(config, 6, config[5] & 31, units);
  list(config, at + 1, config[at] ?? 0, units);
  return units;
}

function hevcUnits(config) {
  const units = [];
  let at = 23;
  for (let arrays = config[22] ?? 0; arrays > 0 && at + 3 <= config.length; arrays--) at = list(config, at + 3, config[at + 1] * 256 + config[at + 2], units);
  return units;
}
