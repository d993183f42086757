// Which signal of a <video> is believed, and what counts as a stall.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate } from './simulation.mjs';
import { Signals, Stalls, isQuiet } from '../src/engine/sight.js';

const CHUNK = 1 / 30;
/** Pictures by each signal in one second at 30 pictures a second, looked at 60 times; `says`: what this browser tells at picture n. */
function second(signals, says, from = 0) {
  let told = 0;
  for (let look = 0; look < 60; look++) {
    const now = from + (look * 1000) / 60;
    const n = Math.floor((now * 30) / 1000 + 1e-6);
    const { callback, total, time = n * CHUNK } = says(n);
    if (callback && look % 2 === 0) told += signals.callback(n);
    told += signals.look(now, CHUNK, total, time);
  }
  return told;
}

// In this order: what a browser is known for is kept from one player to the next.
test('a callback that never comes though pictures are counted: the counter is believed, after a moment; the next player does so at once', () => {
  const silent = n => ({ callback: false, total: n });
  const first = new Signals();
  assert.ok(second(first, silent) >= 20);
  assert.equal(first.name, 'getVideoPlaybackQuality');
  assert.equal(second(first, silent, 1000), 30);
  const next = new Signals();
  assert.ok(second(next, silent) >= 29, 'without waiting');
});

test('neither callback nor counter: the clock is believed', () => {
  for (const total of [undefined, NaN, 0]) {
    const signals = new Signals();
    second(signals, () => ({ callback: false, total }));
    assert.equal(signals.name, 'currentTime');
    const told = second(signals, () => ({ callback: false, total }), 1000);
    assert.ok(told >= 25 && told <= 31, `${told}`);
  }
});

test('a callback that comes is believed alone', () => {
  for (const total of [undefined, n => n]) {
    const signals = new Signals();
    const says = n => ({ callback: true, total: total?.(n) });
    second(signals, says);
    assert.equal(second(signals, says, 1000), 30);
    assert.equal(signals.name, 'requestVideoFrameCallback');
    assert.ok(signals.calm);
  }
});

test('a clock that goes on without a picture is no picture, where pictures were told before', () => {
  for (const callback of [true, false]) {
    const signals = new Signals();
    second(signals, n => ({ callback, total: n }));
    second(signals, () => ({ callback: false, total: 29 }), 1000);
    assert.equal(second(signals, () => ({ callback: false, total: 29 }), 2000), 0);
  }
});

test('callbacks that cease while pictures are counted, and come again', () => {
  const signals = new Signals();
  second(signals, n => ({ callback: true, total: n }));
  assert.ok(second(signals, n => ({ callback: false, total: n }), 1000) > 15);
  second(signals, n => ({ callback: true, total: n }), 2000);
  assert.equal(second(signals, n => ({ callback: true, total: n }), 3000), 30);
});

test('a stall is a picture that stood still for more than 100 ms, or two and a half frames', () => {
  const count = (chunk, times, frames) => {
    const stalls = new Stalls();
    times.forEach((time, i) => stalls.shown(time, chunk, frames?.[i]));
    return stalls.count;
  };
  assert.equal(count(1 / 30, [0, 33, 66, 166, 200]), 0, '100 ms are none');
  assert.equal(count(1 / 30, [0, 33, 66, 170, 200]), 1);
  assert.equal(count(1 / 10, [0, 100, 350, 450]), 0, 'two and a half frames are none');
  assert.equal(count(1 / 10, [0, 100, 360, 450]), 1);
  assert.equal(count(1 / 30, [0, 33, 266, 300], [1, 1, 7, 1]), 0, 'the callback was late, the pictures were not');
  const stalls = new Stalls();
  stalls.shown(0, 1 / 30);
  stalls.rest();
  stalls.shown(60_000, 1 / 30);
  assert.equal(stalls.count, 0, 'a pause is none');
});

test('`waiting` that is over before a picture is missed is no stall; a network that stands still is one', () => {
  const busy = simulate({ fps: 30, seconds: 20, each: sim => sim.now % 400 === 0 && sim.now > 1000 && sim.edge.waiting(sim.now) });
  assert.equal(busy.edge.stats.stalls, 0);
  const frozen = simulate({ fps: 30, seconds: 20, delay: (n, t) => (t > 8000 && t < 8600 ? 8600 - t : 5) });
  assert.equal(frozen.edge.stats.stalls, 1);
});

test('a source that is quiet, and a server that hangs', () => {
  const after = (heard, now, chunk = CHUNK) => isQuiet(now, { dataAt: 10000, heardAt: 10000 + heard }, chunk);
  assert.equal(after(1900, 12001), true, 'it answers the pings of each second');
  assert.equal(after(1900, 11999), false, 'not for long enough');
  assert.equal(after(0, 14000), false, 'it answers nothing');
  assert.equal(after(20, 14000), false, 'its last answer came just behind the last picture');
  assert.equal(after(1900, 12500, 1), false, 'a picture a second: the next one may be late');
  assert.equal(after(2900, 13001, 1), true);
});
