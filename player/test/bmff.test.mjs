// What the page reads of MP4, from boxes written here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunkTime, frames, isInit, tracks } from '../src/engine/bmff.js';

const u32 = n => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
const u64 = n => [...u32(Math.floor(n / 2 ** 32)), ...u32(n % 2 ** 32)];
const box = (type, ...parts) => {
  const body = parts.flatMap(p => [...p]);
  return [...u32(body.length + 8), ...type.split('').map(c => c.charCodeAt(0)), ...body];
};
const full = (type, version, ...parts) => box(type, [version, 0, 0, 0], ...parts);
const buffer = (...boxes) => Uint8Array.from(boxes.flat()).buffer;
const zeros = n => new Uint8Array(n);

const trak = (id, scale, version) =>
  box('trak', full('tkhd', version, zeros(version ? 16 : 8), u32(id), zeros(60)), box('mdia', full('mdhd', version, zeros(version ? 16 : 8), u32(scale), zeros(8))));
const init = (...traks) => buffer(box('ftyp', zeros(8)), box('moov', full('mvhd', 0, zeros(96)), ...traks));
const prft = (track, seconds, fraction, media = 0) => full('prft', 1, u32(track), u32(seconds), u32(fraction), u64(media));
const moof = (track, version, time) =>
  box('moof', full('mfhd', 0, u32(1)), box('traf', full('tfhd', 0, u32(track)), full('tfdt', version, version ? u64(time) : u32(time))));

test('time scales, from both versions of the boxes', () => {
  assert.deepEqual([...tracks(init(trak(1, 1_000_000, 0), trak(7, 48000, 1)))].map(([id, { scale }]) => [id, scale]), [[1, 1_000_000], [7, 48000]]);
  assert.ok(isInit(init()));
  assert.ok(!isInit(buffer(moof(1, 0, 0))));
});

test('time of a chunk and its capture time', () => {
  const scales = new Map([[1, { scale: 1_000_000 }]]);
  const at = 2208988800 + 1_700_000_000; // NTP seconds
  const chunk = buffer(prft(1, at, 2 ** 31, 5_000_000_540_000), moof(1, 1, 5_000_000_500_000), box('mdat', zeros(100)));
  assert.deepEqual(chunkTime(chunk, scales), { track: 1, time: 5_000_000.5, captured: { media: 5_000_000.54, wall: 1_700_000_000_500 } });
  assert.equal(chunkTime(buffer(prft(2, at, 0), moof(1, 0, 500_000)), scales).captured, null);
  assert.equal(chunkTime(buffer(moof(2, 0, 1)), scales), null);
});

test('the edit list, in both versions of its box', () => {
  const edited = (id, version, start) => box('trak', full('tkhd', 0, zeros(8), u32(id), zeros(60)), box('edts', full('elst', version, u32(1), ...start, u32(0x10000))), box('mdia', full('mdhd', 0, zeros(8), u32(1000), zeros(8))));
  const found = tracks(init(edited(1, 0, [u32(0), u32(80)]), edited(2, 1, [u64(0), u64(2500)]), edited(3, 0, [u32(0), u32(0xffffffff)])));
  assert.deepEqual([...found.values()].map(track => track.start), [0.08, 2.5, 0]);
});

test('damaged chunks say nothing and break nothing', () => {
  const scales = new Map([[1, { scale: 1000, defaults: [0, 0, 0] }]]);
  const good = new Uint8Array(buffer(prft(1, 1, 1), moof(1, 1, 5000)));
  for (let cut = 0; cut < good.length; cut++) assert.equal(chunkTime(good.slice(0, cut).buffer, scales), null);
  assert.equal(chunkTime(buffer(box('moof', box('traf', box('tfhd', zeros(8)), box('tfdt', zeros(2))))), new Map([[0, { scale: 1 }]])), null);
  for (let at = 0; at < good.length; at++) {
    const bad = good.slice();
    bad[at] ^= 0xff;
    chunkTime(bad.buffer, scales);
    frames(bad.buffer, scales);
    tracks(bad.buffer);
    isInit(bad.buffer);
  }
});

const hdlr = kind => full('hdlr', 0, zeros(4), kind.split('').map(c => c.charCodeAt(0)), zeros(13));
const entries = (...list) => box('minf', box('stbl', full('stsd', 0, u32(list.length), ...list)));
const described = (id, scale, kind, entry) => box('trak', full('tkhd', 0, zeros(8), u32(id), zeros(60)), box('mdia', full('mdhd', 0, zeros(8), u32(scale), zeros(8)), hdlr(kind), entries(entry)));
const MOVIE = () => init(
  described(1, 1000, 'vide', box('avc1', zeros(78), box('colr', zeros(4)), box('avcC', [1, 2, 3]))),
  described(2, 48000, 'soun', box('Opus', zeros(16), [0, 2, 0, 16, 0, 0, 0, 0], u32(48000 * 65536), box('dOps', [0, 2]))),
  box('mvex', full('trex', 0, u32(1), u32(1), u32(40), u32(0), u32(0x10000)), full('trex', 0, u32(2), u32(1), u32(960), u32(3), u32(0))),
);

test('what a decoder wants to know of a track', () => {
  const found = tracks(MOVIE());
  const without = ({ matrix, matrices, surface, ...track }) => track;
  const plain = { coded: [0, 0], pasp: null };
  assert.deepEqual(without(found.get(1)), { ...plain, scale: 1000, start: 0, kind: 'vide', config: Uint8Array.of(1, 2, 3), rate: 0, channels: 0, defaults: [40, 0, 0x10000] });
  assert.deepEqual(without(found.get(2)), { ...plain, scale: 48000, start: 0, kind: 'soun', config: Uint8Array.of(0, 2), rate: 48000, channels: 2, defaults: [960, 3, 0] });
});

/** A fragment whose data follows at once; offsets are from the start of the moof. */
function fragment(...trafs) {
  const build = at => box('moof', full('mfhd', 0, u32(1)), ...trafs.map(traf => box('traf', ...traf(at))));
  const head = build(0).length + 8;
  return n => buffer(build(head), box('mdat', Uint8Array.from({ length: n }, (_, i) => i)));
}
const flagged = (type, version, flags, ...parts) => box(type, [version], u32(flags).slice(1), ...parts);
const listed = found => found.map(({ data, ...f }) => ({ ...f, data: [...data] }));

test('the frames of a chunk: own fields, defaults, and offsets below zero', () => {
  const found = tracks(MOVIE());
  const chunk = fragment(at => [
    flagged('tfhd', 0, 0x20000, u32(1)), full('tfdt', 1, u64(5000)),
    flagged('trun', 1, 0xf01, u32(2), u32(at), ...[[40, 2, 0x2000000, 80], [20, 3, 0x10000, -40]].flatMap(sample => sample.map(v => u32(v >>> 0)))),
  ])(5);
  assert.deepEqual(listed(frames(chunk, found)), [
    { track: 1, time: 5.08, duration: 0.04, key: true, hidden: false, data: [0, 1] },
    { track: 1, time: 5, duration: 0.02, key: false, hidden: false, data: [2, 3, 4] },
  ]);
});

test('two tracks in one fragment, first-sample-flags, sizes from the tfhd', () => {
  const found = tracks(MOVIE());
  const chunk = fragment(
    at => [flagged('tfhd', 0, 0x20010, u32(1), u32(2)), full('tfdt', 0, u32(40)), flagged('trun', 0, 5, u32(2), u32(at), u32(0))],
    at => [flagged('tfhd', 0, 0x20002, u32(2), u32(1)), full('tfdt', 0, u32(48000)), flagged('trun', 0, 1, u32(1), u32(at + 4))],
  )(7);
  assert.deepEqual(listed(frames(chunk, found)), [
    { track: 1, time: 0.04, duration: 0.04, key: true, hidden: false, data: [0, 1] },
    { track: 1, time: 0.08, duration: 0.04, key: false, hidden: false, data: [2, 3] },
    { track: 2, time: 1, duration: 0.02, key: true, hidden: false, data: [4, 5, 6] },
  ]);
});

test('a chunk that was cut off gives what is whole', () => {
  const found = tracks(MOVIE());
  const whole = new Uint8Array(fragment(at => [flagged('tfhd', 0, 0x20010, u32(1), u32(2)), full('tfdt', 0, u32(0)), flagged('trun', 0, 1, u32(2), u32(at))])(4));
  assert.equal(frames(whole.slice(0, -1).buffer, found).length, 1);
  for (let cut = 0; cut < whole.length; cut++) assert.ok(frames(whole.slice(0, cut).buffer, found).length < 2);
  const greedy = fragment(() => [flagged('tfhd', 0, 0x20000, u32(1)), full('tfdt', 0, u32(0)), flagged('trun', 0, 0, u32(0xffffffff))])(4);
  assert.ok(frames(greedy, found).length <= 100_000);
});

test('a picture that lasts next to nothing is not to be shown, sound is', () => {
  const found = tracks(MOVIE());
  const chunk = fragment(at => [flagged('tfhd', 0, 0x20000, u32(1)), full('tfdt', 1, u64(0)), flagged('trun', 1, 0x301, u32(2), u32(at), ...[[0, 2], [40, 3]].flat().map(u32))])(5);
  assert.deepEqual(frames(chunk, found).map(frame => frame.hidden), [true, false]);
});
