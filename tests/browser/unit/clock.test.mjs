// Server clock, capture times, waiting times.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff, CaptureTimes, Median, ServerClock } from '../../../src/serve/player/clock.js';

test('the offset of the shortest round trip counts', () => {
  const clock = new ServerClock();
  assert.equal(clock.offset, null);
  clock.answer(1000, 1100, 6090); // answered late: 40 ms off
  clock.answer(2000, 2010, 7005);
  clock.answer(3000, 3200, 8010);
  assert.equal(clock.offset, 5000);
  assert.equal(clock.roundTrip, 10);
});

test('old round trips are forgotten, so that a clock that was set is followed', () => {
  const clock = new ServerClock();
  clock.answer(0, 2, 1001);
  for (let i = 0; i < 8; i++) clock.answer(10000 + i, 10020 + i, 10010 + i);
  assert.equal(clock.offset, 0);
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
