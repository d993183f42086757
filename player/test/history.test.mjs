// Rates and the course of the latency, from totals.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { History } from '../src/engine/history.js';

/** So many ticks of a quarter of a second, at 20 pictures and 1000 bytes each. */
function run(history, from, ticks, { latency = 50, bytes = 0 } = {}) {
  for (let i = 0; i < ticks; i++) history.add(from + 250 * i, { pictures: 5 * i, bytes: bytes + 1000 * i, latency });
}

test('frames and bits a second', () => {
  const history = new History();
  assert.equal(history.fps, null);
  run(history, 0, 2);
  assert.equal(history.fps, null, 'too early');
  run(history, 500, 20);
  assert.equal(history.fps, 20);
  assert.equal(history.bitrate, 32000);
});

test('a new connection counts its bytes from nothing', () => {
  const history = new History();
  run(history, 0, 20, { bytes: 1e9 });
  history.add(5000, { pictures: 100, bytes: 0, latency: null });
  assert.equal(history.bitrate, null);
  for (let i = 1; i <= 8; i++) history.add(5000 + 250 * i, { pictures: 100, bytes: 500 * i, latency: null });
  assert.equal(history.bitrate, 16000);
  assert.equal(history.fps, 0);
});

test('latencies of the last minute, gaps included', () => {
  const history = new History();
  run(history, 0, 400, { latency: 70 });
  history.add(100000, { pictures: 1e6, bytes: 1e6, latency: null });
  const kept = history.latencies(100000);
  assert.equal(kept.length, 241);
  assert.deepEqual([kept[0], kept.at(-1)], [[60, 70], [0, null]]);
});
