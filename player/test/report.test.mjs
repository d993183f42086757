// What the player tells the server, on a simulated clock.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reporter } from '../src/engine/report.js';

/** Plays a list of `[ms, state]` on a timer of 250 ms; `say` gives the stats at a time. */
function reports(states, { until = 20000, say = () => ({}), opened = () => true } = {}) {
  const reporter = new Reporter();
  const sent = [];
  const queue = [...states];
  let state = 'idle';
  for (let now = 0; now <= until; now += 250) {
    while (queue.length && queue[0][0] <= now) {
      state = queue[0][1];
      reporter.note(queue[0][0], state, queue.shift()[2]);
    }
    const link = { opened: opened(now), send: ({ type, value }) => sent.push({ at: now, type, ...value }) };
    const stats = { transport: 'MSE', latency: 84.4, pictures: state === 'idle' || state === 'connecting' ? 0 : Math.floor(now / 33), ...say(now) };
    reporter.tick(now, stats, link);
  }
  return sent;
}

test('every few seconds while pictures come, and not while none do', () => {
  const sent = reports([[0, 'connecting'], [1000, 'playing']]);
  assert.deepEqual(sent.map(r => r.at), [1000, 6000, 11000, 16000]);
  assert.deepEqual(sent[0], { at: 1000, type: 'h5live/report', transport: 'MSE', latency: 84 });
  assert.deepEqual(reports([[0, 'connecting']]), []);
  const stopped = reports([[0, 'playing'], [2000, 'waiting']], { say: now => ({ pictures: Math.min(now, 2000) }) });
  assert.deepEqual(stopped.map(r => r.at), [250]);
});

test('a stall is told when it is over, soon, with its length', () => {
  const sent = reports([[0, 'connecting'], [500, 'playing'], [7000, 'stalled'], [7640, 'playing'], [8000, 'stalled'], [8300, 'playing']]);
  assert.deepEqual(sent.filter(r => r.stalls).map(r => [r.at, r.stalls]), [[7750, [640]], [8750, [300]]]);
});

test('a stall that ends in a new connection is told on that one, with the error', () => {
  const states = [[0, 'playing'], [7000, 'stalled'], [9000, 'reconnecting', 'gone'], [9100, 'reconnecting', 'away'], [12000, 'playing']];
  const sent = reports(states, { opened: now => now < 9000 || now >= 11500 });
  const [first] = sent.filter(r => r.errors);
  assert.deepEqual([first.at, first.errors, first.error], [11500, 1, 'gone']);
  assert.deepEqual(sent.filter(r => r.stalls).map(r => r.stalls), [[5000]]);
});

test('a long error of a decoder is cut: the server closes the connection at a message of 4 KiB', () => {
  const sent = reports([[0, 'playing'], [7000, 'stalled'], [9000, 'reconnecting', 'é'.repeat(5000)], [12000, 'playing']]);
  assert.ok(sent.some(r => r.errors) && sent.every(r => Buffer.byteLength(JSON.stringify(r)) < 2048));
});

test('a source that gives nothing, a pause and a stop are no stalls', () => {
  for (const rest of ['waiting', 'paused', 'idle']) {
    const sent = reports([[0, 'playing'], [7000, 'stalled'], [9000, rest], [12000, 'playing']]);
    assert.ok(sent.length > 2 && sent.every(r => !r.stalls && !r.errors), `${rest}: ${JSON.stringify(sent)}`);
  }
  assert.ok(reports([[0, 'connecting'], [3000, 'reconnecting', 'no'], [5000, 'playing']]).every(r => !r.stalls), 'nothing had played');
});

test('counters are told as what they have grown by, though they begin anew with each transport', () => {
  const sent = reports([[0, 'playing']], { say: now => ({ unshown: now < 9000 ? 7 : 2, resyncs: now < 9000 ? 0 : 1, latency: null }) });
  const sum = name => sent.reduce((sum, r) => sum + (r[name] ?? 0), 0);
  assert.deepEqual([sum('dropped'), sum('errors')], [9, 1]);
  assert.ok(sent.every(r => !('latency' in r)));
  assert.equal(sent.find(r => r.errors).error, 'the decoder was started again');
});
