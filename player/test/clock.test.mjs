// Server clock, capture times, waiting times.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff, CaptureTimes, Median, Pace, ServerClock } from '../src/engine/clock.js';

test('the offset of the shortest round trip counts', () => {
  const clock = new ServerClock();
  assert.equal(clock.offset, null);
  clock.answer(1000, 1100, 6090); // answered late: 40 ms off
  clock.answer(2000, 2010, 7005);
  clock.answer(3000, 3200, 8010);
  assert.equal(clock.offset, 5000);
  assert.equal(clock.roundTrip, 10);
});

test('a clock that was set is followed at once, also over a slow network', () => {
  const clock = new ServerClock();
  clock.answer(0, 2, 1001);
  clock.answer(10000, 10020, 10010);
  assert.equal(clock.offset, 0);
});

test('a short trip of some minutes ago is better than a long one of now', () => {
  const clock = new ServerClock();
  clock.answer(0, 2, 1001);
  for (let t = 5000; t < 120_000; t += 5000) clock.answer(t, t + 80, t + 1035);
  assert.equal(clock.offset, 1000);
  assert.equal(clock.roundTrip, 2);
});

test('clocks that go apart are followed', () => {
  const clock = new ServerClock();
  let worst = 0;
  for (let t = 0; t < 3_600_000; t += 5000) {
    // 50 ms in a thousand seconds; trips of 4 to 44 ms, the way back as long as the way there, or three times as long.
    const trip = 4 + (t * 7) % 41;
    clock.answer(t, t + trip, t + 1000 + 5e-5 * t + trip * (t % 2 ? 0.25 : 0.5));
    worst = Math.max(worst, Math.abs(clock.offset - 1000 - 5e-5 * t));
  }
  assert.ok(worst < 12, `${worst} ms`);
});

test('an answer that is no number, or came before the question, is no answer', () => {
  const clock = new ServerClock();
  clock.answer(0, 10, 'soon');
  clock.answer(0, 10, NaN);
  clock.answer(10, 0, 5);
  assert.equal(clock.offset, null);
});

test('capture times follow the writer, before and after it was restarted', () => {
  const times = new CaptureTimes();
  assert.equal(times.at(1), null);
  for (let n = 0; n < 30; n++) times.add(n / 30, 1_700_000_000_000 + (n * 1000) / 30);
  for (let n = 30; n < 60; n++) times.add(n / 30, 1_700_000_007_000 + (n * 1000) / 30);
  assert.ok(Math.abs(times.at(0.5) - 1_700_000_000_500) < 2);
  assert.ok(Math.abs(times.at(1.5) - 1_700_000_008_500) < 2);
  // B-frames are presented between the times that were told.
  assert.ok(Math.abs(times.at(1.51234) - 1_700_000_008_512.34) < 2);
});

test('the list of capture times is bounded', () => {
  const times = new CaptureTimes();
  for (let n = 0; n < 10000; n++) times.add(n, n * 1010);
  assert.equal(times.at(100), null);
  assert.equal(times.at(9999), 9999 * 1010);
});

test('median', () => {
  const median = new Median(3);
  assert.equal(median.value, null);
  for (const v of [100, 1, 2, 3]) median.add(v);
  assert.equal(median.value, 2);
});

test('waits double up to the cap, and are spread', () => {
  const low = new Backoff({ random: () => 0 });
  assert.deepEqual([...Array(8)].map(() => low.next()), [125, 250, 500, 1000, 2000, 4000, 5000, 5000]);
  low.reset();
  assert.equal(low.next(), 125);
  const high = new Backoff({ random: () => 0.999999 });
  for (let i = 0; i < 2000; i++) assert.ok(high.next() < 15000.1);
});

test('pictures that come four at once are due one after the other', () => {
  const pace = new Pace();
  const dues = [];
  for (let n = 0; n < 200; n++) {
    const there = 1000 + 40 * (4 * Math.floor(n / 4) + 3);
    dues.push(Math.max(there, pace.due(there, n / 25)));
  }
  const steps = dues.slice(100).map((due, i) => due - dues[99 + i]);
  assert.ok(steps.every(step => Math.abs(step - 40) < 1), `${steps}`);
  assert.ok(Math.abs(dues[199] - (1000 + 40 * 199) - 120) < 1, 'no later than the first of four');
});
