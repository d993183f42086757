// What was recorded, as a time line draws it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LONGEST_S, SHORTEST_S, Spans, kept, marks, prolonged, runs, zoomed } from '../src/spans.js';

function spans(...list) {
  const made = new Spans();
  made.replace(list);
  return made;
}

test('what is told anew takes the place of what was known', () => {
  const known = spans([0, 10], [20, 30], [40, 50]);
  assert.deepEqual([known.length, known.first, known.last], [3, 0, 50]);
  // The last one was begun earlier than the server says it now: it was asked for a part of the time.
  known.replace([[45, 60], [70, 80]]);
  assert.deepEqual([known.length, known.next(31), known.last], [4, 40, 80]);
  known.replace([]);
  known.extend(85);
  known.extend(84);
  assert.equal(known.last, 85);
  const none = new Spans();
  none.extend(5);
  assert.deepEqual([none.length, none.first, none.last, none.next(0)], [0, null, null, null]);
});

test('the next that there is', () => {
  const known = spans([0, 10], [20, 30]);
  for (const [time, next] of [[-5, 0], [5, 5], [10, 20], [15, 20], [29.9, 29.9], [30, null], [Infinity, null]]) assert.equal(known.next(time), next, String(time));
});

test('how much of each column is covered', () => {
  const known = spans([0, 10], [12, 13], [20, 30]);
  assert.deepEqual([...known.cover(0, 40, 4)], [1, Math.fround(0.1), 1, 0]);
  assert.deepEqual([...known.cover(-10, 10, 2)], [0, 1]);
  assert.deepEqual([...known.cover(5, 25, 4)], [1, Math.fround(0.2), 0, 1]);
  assert.deepEqual([...known.cover(100, 140, 2)], [0, 0]);
  // Many in one column.
  const many = spans(...Array.from({ length: 43200 }, (_, n) => [60 * n, 60 * n + 30]));
  for (const part of many.cover(0, 43200 * 60, 100)) assert.ok(Math.abs(part - 0.5) < 0.01, String(part));
  // What is seen: anything there is, and anything that is missing.
  assert.deepEqual(runs([0, 0.001, 0.5, 0.97, 1, 1, 0]), [[1, 1, 1], [2, 1, 2], [3, 1, 3], [4, 2, 4]]);
});

test('marks by the clock of who looks', () => {
  const midnight = new Date(2026, 10, 28).getTime() / 1000;
  const times = (from, to, most) => marks(midnight + from, midnight + to, most).map(({ time, isDay }) => [time - midnight, isDay]);
  assert.deepEqual(times(-60, 61, 5), [[-30, false], [0, true], [30, false], [60, false]]);
  assert.deepEqual(times(3000, 11000, 3), [[3600, false], [7200, false], [10800, false]]);
  const month = marks(midnight - 30 * 86400, midnight, 10);
  assert.ok(month.length >= 8 && month.length <= 11 && month.every(({ time, isDay }) => isDay && new Date(1000 * time).getHours() === 0), JSON.stringify(month));
  for (let seconds = SHORTEST_S; seconds < LONGEST_S; seconds *= 1.7) assert.ok(marks(midnight, midnight + seconds, 8).length <= 10, String(seconds));
});

test('what is under the pointer stays there, from a minute to a month', () => {
  const view = { from: 1000, to: 2000 };
  const closer = zoomed(view, 0.5, 1750);
  assert.deepEqual(closer, { from: 1375, to: 1875 });
  assert.equal(zoomed(view, 1e-9, 1500).to - zoomed(view, 1e-9, 1500).from, SHORTEST_S);
  assert.equal(zoomed(view, 1e9, 1500).to - zoomed(view, 1e9, 1500).from, LONGEST_S);
});

test('it does not go away from what there is', () => {
  assert.deepEqual(kept({ from: 0, to: 100 }, -500, 500), { from: 0, to: 100 });
  assert.deepEqual(kept({ from: 450, to: 550 }, 0, 500), { from: 405, to: 505 });
  assert.deepEqual(kept({ from: -300, to: -200 }, 0, 500), { from: -5, to: 95 });
  // More than there is: the end stands at the right.
  assert.deepEqual(kept({ from: -5000, to: -4000 }, 0, 500), { from: -450, to: 550 });
});

test('what is held follows what was recorded, and the oldest goes', () => {
  assert.deepEqual(prolonged([], [1, 2]), [[1, 2]]);
  assert.deepEqual(prolonged([[0, 5], [6, 9]], [3, 8]), [[0, 5], [6, 9]]);
  assert.deepEqual(prolonged([[0, 5], [6, 9]], [8, 12]), [[0, 5], [6, 12]]);
  assert.deepEqual(prolonged([[0, 5]], [7, 12]), [[0, 5], [7, 12]]);
  const spans = new Spans();
  spans.replace([[0, 5], [6, 9]]);
  spans.forget(2);
  assert.deepEqual([spans.first, spans.length], [2, 2]);
  spans.forget(5);
  assert.deepEqual([spans.first, spans.length], [6, 1]);
  spans.forget(9);
  assert.deepEqual([spans.first, spans.length], [null, 0]);
  spans.forget(10);
});
