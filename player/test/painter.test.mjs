// The way of decoded pictures to the canvas, on a simulated clock: what is painted, and what is counted as never shown.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Painter } from '../src/transports/painter.js';

const UPRIGHT = { turns: 0, mirrored: false, aspect: null };
const FRAME = 1000 / 30;
let now;
let turns;
let drawn;
let closed;

beforeEach(() => {
  [now, turns, drawn, closed] = [1000, [], [], 0];
  performance.now = () => now;
  globalThis.document = { hidden: false };
  globalThis.requestAnimationFrame = run => turns.push(run);
  globalThis.cancelAnimationFrame = id => (turns[id - 1] = null);
});

/** The page's next frame. */
function frame() {
  for (const run of turns.splice(0)) run?.();
}

function painter() {
  const context = { drawImage: picture => drawn.push(picture.timestamp / 1000) };
  const canvas = { style: { setProperty: () => {} }, dispatchEvent: () => {}, getContext: () => context };
  const shown = [];
  const made = new Painter(canvas, { painted: () => {}, shown: media => shown.push(Math.round(1000 * media)) });
  made.open(UPRIGHT, [320, 240]);
  return { made, shown, canvas };
}

/** `at`: media time, ms. */
const picture = at => ({ timestamp: 1000 * at, displayWidth: 320, displayHeight: 240, close: () => closed++ });

/** A picture comes and is decoded at once. */
function come(made, at, queued = 0) {
  made.arrived(now, at / 1000);
  made.add(picture(at), queued);
}

/** Goes on at the stream's own pace. */
function goOn(made, from, to) {
  for (let n = from; n < to; n++, now += FRAME) {
    come(made, n * FRAME);
    frame();
  }
}

test('the cached group at the start is not counted as lost, and what is lost later is', () => {
  const { made, shown } = painter();
  for (let n = 0; n < 30; n++, now += 1) come(made, n * FRAME);
  goOn(made, 30, 80);
  assert.equal(made.unshown, 0);
  assert.equal(shown.at(-1), Math.round(79 * FRAME));
  for (let n = 80; n < 82; n++) come(made, n * FRAME);
  goOn(made, 82, 120);
  assert.equal(made.unshown, 2, 'three at once, of which one is seen');
});

test('so it is with a decoder that is slow', () => {
  const { made } = painter();
  for (let n = 0; n < 30; n++) made.arrived(now, (n * FRAME) / 1000);
  for (let n = 0; n < 30; n++, now += 5) made.add(picture(n * FRAME), 29 - n);
  goOn(made, 30, 80);
  assert.equal(made.unshown, 0);
});

test('and where the group comes in pieces: 23 pictures were there, the others are made while it comes', () => {
  const { made } = painter();
  for (let n = 0; n < 30; n++) {
    come(made, n * FRAME);
    now += n % 10 === 9 ? 60 : 3;
    if (n % 10 === 9 || n > 22) frame();
  }
  goOn(made, 30, 80);
  assert.equal(made.unshown, 0);
});

test('from the keyframe again: what was shown is not painted, and the past begins anew', () => {
  const { made } = painter();
  for (let n = 0; n < 20; n++, now += FRAME) (come(made, n * FRAME), frame());
  const before = drawn.length;
  made.repeat(now);
  for (let n = 10; n < 25; n++) come(made, n * FRAME);
  frame();
  assert.equal(drawn.length - before, 5);
  goOn(made, 25, 80);
  assert.equal(made.unshown, 0);
});

test('with sound each picture waits until it is due; of two that are due the older one is counted', () => {
  const { made, shown } = painter();
  const start = now;
  made.sound = { pictureAt: () => {}, dueAt: media => start + 1000 * media + 100 };
  for (let n = 0; n < 3; n++, now += FRAME) come(made, n * FRAME);
  assert.deepEqual(drawn, []);
  now = start + 100;
  frame();
  assert.deepEqual(shown, [0]);
  now += 2 * FRAME;
  frame();
  assert.deepEqual(shown, [0, Math.round(2 * FRAME)]);
  made.sound = null;
  goOn(made, 3, 40);
  assert.equal(made.unshown, 1);
});

test('each picture is closed once', () => {
  const { made } = painter();
  made.sound = { pictureAt: () => {}, dueAt: () => now + 200 };
  for (let n = 0; n < 5; n++, now += FRAME) come(made, n * FRAME);
  come(made, 5 * FRAME, 3);
  made.stop();
  assert.equal(closed, 6);
});

test('wide pixels make the picture wider, also where the browser has left out rows for that', () => {
  const { made, canvas } = painter();
  made.open({ ...UPRIGHT, aspect: 64 / 45 }, [160, 120]);
  for (const [i, height] of [120, 84].entries()) {
    made.add({ ...picture(i * FRAME), visibleRect: { width: 160, height } }, 0);
    assert.deepEqual([canvas.width, canvas.height], [227, 120]);
  }
});
