// The jitter buffer, and what a choice of latency means.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JitterBuffer, bufferTargetOf } from '../src/engine/jitter.js';
import { random } from './simulation.mjs';

test('low, smooth, or seconds within bounds', () => {
  const meant = { low: 0, smooth: 0.5, 1: 1, 0.25: 0.25, 0: 0, 30: 30, 31: 30, 1e9: 30, Infinity: 30, '-1': 0, NaN: 0, '': 0, early: 0 };
  for (const [choice, seconds] of Object.entries(meant)) assert.equal(bufferTargetOf(choice), seconds, choice);
});

const SIZE = 1000;
const frame = n => ({ n, time: 500 + n / 30, data: { byteLength: SIZE } });

/** When each of `count` frames goes on, ms; `delay(n)` is how late it comes. */
function play(buffer, count, delay) {
  const arrivals = Array.from({ length: count }, (_, n) => ({ at: (1000 * n) / 30 + delay(n), frame: frame(n) }));
  const went = [];
  for (let now = 0; went.length < count && now < 60000; now += 4) {
    const came = [];
    while (arrivals.length > 0 && arrivals[0].at <= now) came.push(arrivals.shift().frame);
    for (const { n } of buffer.pass(now, came)) went[n] = now;
  }
  return went;
}

test('without a target everything goes on at once, as it came', () => {
  const frames = [frame(0), frame(1)];
  assert.equal(new JitterBuffer().pass(0, frames), frames);
  assert.equal(new JitterBuffer().seconds, 0);
});

test('half a second rides out jitter of 400 ms: frames go on evenly', () => {
  const next = random(1);
  let last = 0;
  const went = play(new JitterBuffer(0.5), 600, n => {
    // In order, as on TCP.
    last = Math.max(last, (1000 * n) / 30 + 5 + 400 * next() ** 4);
    return last - (1000 * n) / 30;
  });
  assert.equal(went.length, 600);
  const apart = went.slice(200).map((at, i, all) => (i === 0 ? 33 : at - all[i - 1]));
  assert.ok(Math.min(...apart) >= 28 && Math.max(...apart) <= 40, `${Math.min(...apart)} to ${Math.max(...apart)} ms`);
  const late = went.slice(200).map((at, i) => at - (1000 * (i + 200)) / 30);
  assert.ok(Math.min(...late) > 500 && Math.max(...late) < 520, `${Math.min(...late)} to ${Math.max(...late)} ms`);
});

test('what was cached goes on at its own pace, and what comes later than the target at once', () => {
  const buffer = new JitterBuffer(1);
  // 20 frames at once, the newest of them just captured.
  assert.deepEqual(buffer.pass(0, Array.from({ length: 20 }, (_, n) => frame(n))), []);
  assert.ok(Math.abs(buffer.seconds - 19 / 30) < 1e-9);
  assert.deepEqual(buffer.pass(1000 - 19000 / 30 + 1).map(({ n }) => n), [0]);
  assert.deepEqual(buffer.pass(1001).length, 19);
  assert.ok(buffer.isEmpty);
  // Due at 1033.
  assert.deepEqual(buffer.pass(1500, [frame(20)]).map(({ n }) => n), [20]);
});

test('a clock that goes on more slowly, and a network that is slower from now on, are followed', () => {
  const went = play(new JitterBuffer(0.5), 900, n => 5 + (n > 300 ? 200 : 0));
  assert.ok(Math.abs(went[290] - 290000 / 30 - 505) < 10);
  assert.ok(Math.abs(went[890] - 890000 / 30 - 705) < 10, `${went[890] - 890000 / 30}`);
});

test('another target counts at once; what waits is bounded in bytes; other times are a new beginning', () => {
  const buffer = new JitterBuffer(30);
  buffer.pass(0, [frame(0), frame(1)]);
  buffer.target = 0;
  assert.equal(buffer.pass(1).length, 2);
  const large = n => ({ ...frame(n), data: { byteLength: 30 << 20 } });
  buffer.target = 30;
  assert.deepEqual(buffer.pass(2, [large(2), large(3), large(4)]).map(({ n }) => n), [2]);
  buffer.clear();
  assert.ok(buffer.isEmpty);
  assert.deepEqual(buffer.pass(3, [frame(-3000)]), []);
});
