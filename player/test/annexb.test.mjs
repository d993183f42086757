// H.264 and H.265 as browsers' decoders take them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parameterSets, toAnnexB } from '../src/engine/annexb.js';

const SPS = [0x67, 0x42, 0xc0, 0x1e];
const PPS = [0x68, 0xce, 0x3c, 0x80];
const AVCC = Uint8Array.of(1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 4, ...SPS, 1, 0, 4, ...PPS);
const unit = (...bytes) => [0, 0, 0, bytes.length, ...bytes];
const start = (...bytes) => [0, 0, 0, 1, ...bytes];
const frame = (key, ...bytes) => ({ key, data: Uint8Array.from(bytes) });

test('key pictures get the sets of the avcC, unless they bring their own', () => {
  const sets = parameterSets('avc1.42C01E', AVCC);
  assert.deepEqual([...toAnnexB(frame(true, ...unit(0x65, 1, 2)), sets)], [...start(...SPS), ...start(...PPS), ...start(0x65, 1, 2)]);
  const own = [0x67, 9, 9, 9];
  assert.deepEqual([...toAnnexB(frame(true, ...unit(...own), ...unit(0x65, 1)), sets)], [...start(...own), ...start(0x65, 1)]);
  assert.deepEqual([...toAnnexB(frame(false, ...unit(0x41, 3)), sets)], start(0x41, 3));
});

test('length fields of two bytes, empty units, and what is damaged', () => {
  const short = AVCC.slice();
  short[4] = 0xfd;
  const sets = parameterSets('avc3.42C01E', short);
  assert.deepEqual([...toAnnexB(frame(false, 0, 2, 0x41, 7, 0, 0, 0, 1, 9), sets)], [...start(0x41, 7), ...start(9)]);
  assert.deepEqual([...toAnnexB(frame(false, 0, 2, 0x41, 7, 0, 200, 1), sets)], start(0x41, 7));
  for (let cut = 0; cut < AVCC.length; cut++) toAnnexB(frame(true, ...unit(0x65, 1)), parameterSets('avc1', AVCC.slice(0, cut)));
});

test('without a box, all sets are in band', () => {
  assert.deepEqual([...toAnnexB(frame(true, ...unit(0x65, 1)), parameterSets('avc3.42C01E', null))], start(0x65, 1));
});

test('H.265: arrays of sets, and its own types of units', () => {
  const VPS = [0x40, 1, 5];
  const HSPS = [0x42, 1, 6];
  const hvcc = Uint8Array.of(...new Uint8Array(21), 0xff, 2, 0xa0, 0, 1, 0, 3, ...VPS, 0xa1, 0, 1, 0, 3, ...HSPS);
  const sets = parameterSets('hvc1.1.6.L93.B0', hvcc);
  assert.deepEqual([...toAnnexB(frame(true, ...unit(0x26, 1, 8)), sets)], [...start(...VPS), ...start(...HSPS), ...start(0x26, 1, 8)]);
  assert.deepEqual([...toAnnexB(frame(true, ...unit(...HSPS), ...unit(0x26, 1)), sets)], [...start(...HSPS), ...start(0x26, 1)]);
});

test('other codecs are left as they are', () => {
  assert.equal(parameterSets('av01.0.08M.08', Uint8Array.of(0x81)), null);
});
