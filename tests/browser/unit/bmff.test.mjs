// What the page reads of MP4, from boxes written here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunkTime, isInit, timescales } from '../../../src/serve/player/bmff.js';

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
const prft = (track, seconds, fraction) => full('prft', 1, u32(track), u32(seconds), u32(fraction), u64(0));
const moof = (track, version, time) =>
  box('moof', full('mfhd', 0, u32(1)), box('traf', full('tfhd', 0, u32(track)), full('tfdt', version, version ? u64(time) : u32(time))));

test('time scales, from both versions of the boxes', () => {
  assert.deepEqual([...timescales(init(trak(1, 1_000_000, 0), trak(7, 48000, 1)))], [[1, 1_000_000], [7, 48000]]);
  assert.ok(isInit(init()));
  assert.ok(!isInit(buffer(moof(1, 0, 0))));
});

test('time of a chunk and its capture time', () => {
  const scales = new Map([[1, 1_000_000]]);
  const at = 2208988800 + 1_700_000_000; // NTP seconds
  const chunk = buffer(prft(1, at, 2 ** 31), moof(1, 1, 5_000_000_500_000), box('mdat', zeros(100)));
  assert.deepEqual(chunkTime(chunk, scales), { track: 1, time: 5_000_000.5, captured: 1_700_000_000_500 });
  assert.equal(chunkTime(buffer(prft(2, at, 0), moof(1, 0, 500_000)), scales).captured, null);
  assert.equal(chunkTime(buffer(moof(2, 0, 1)), scales), null);
});

test('damaged chunks say nothing and break nothing', () => {
  const scales = new Map([[1, 1000]]);
  const good = new Uint8Array(buffer(prft(1, 1, 1), moof(1, 1, 5000)));
  for (let cut = 0; cut < good.length; cut++) assert.equal(chunkTime(good.slice(0, cut).buffer, scales), null);
  assert.equal(chunkTime(buffer(box('moof', box('traf', box('tfhd', zeros(8)), box('tfdt', zeros(2))))), new Map([[0, 1]])), null);
  for (let at = 0; at < good.length; at++) {
    const bad = good.slice();
    bad[at] ^= 0xff;
    chunkTime(bad.buffer, scales);
    timescales(bad.buffer);
    isInit(bad.buffer);
  }
});
