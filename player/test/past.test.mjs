// What is known of the past that is shown.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Past } from '../src/past.js';

const told = { time: '2026-11-28T09:00:00.000000Z', media: 1, speed: 2, paused: false, live: false };
const time = Date.parse(told.time);

test('what the server says, and what is on the screen', () => {
  const past = new Past();
  past.seen(5);
  past.paused = true;
  assert.deepEqual([past.isShown, past.position, past.speed, past.paused], [false, null, 1, false]);
  past.begin();
  assert.deepEqual([past.isShown, past.position], [true, null]);
  past.located(told);
  assert.deepEqual([past.position.getTime(), past.speed], [time, 2]);
  past.seen(time + 40);
  past.paused = true;
  assert.deepEqual([past.position.getTime(), past.paused], [time + 40, true]);
  past.located({ live: true });
  assert.deepEqual([past.isShown, past.position, past.paused], [false, null, false]);
});

test('a new connection goes on where the last one was', () => {
  const past = new Past();
  past.resume();
  assert.deepEqual([past.waits, past.isAwaited], [false, false]);
  past.begin();
  past.located(told);
  past.resume();
  assert.deepEqual([past.isAwaited, past.take(), past.take()], [true, [{ type: 'seek', value: new Date(time) }, { type: 'speed', value: 2 }], []]);
  past.located({ ...told, speed: 1, paused: true });
  assert.deepEqual(past.again, [{ type: 'seek', value: new Date(time) }, { type: 'pause' }]);
  assert.equal(past.isAwaited, false);
  // What was asked for meanwhile comes first.
  past.want({ type: 'seek', value: -5 });
  past.resume();
  assert.deepEqual(past.take(), [{ type: 'seek', value: -5 }]);
  past.refused();
  assert.deepEqual([past.isShown, past.isAwaited], [false, false]);
});
