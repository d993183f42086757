// Which transports are tried, and in which order.
import assert from 'node:assert/strict';
import { test } from 'node:test';

// The module looks for elements only when it is used.
const { order } = await import('../src/transports/choice.js');

test('the order of transports', () => {
  assert.deepEqual(order({}), ['webcodecs', 'mse', 'mjpeg']);
  assert.deepEqual(order({ canvas: false }), ['mse', 'webcodecs', 'mjpeg']);
  assert.deepEqual(order({ mse: false }), ['webcodecs', 'mp4', 'hls', 'mjpeg']);
  assert.deepEqual(order({ mse: false, hls: true }), ['webcodecs', 'hls', 'mp4', 'mjpeg']);
  assert.deepEqual(order({ kind: 'jpeg' }), ['mjpeg']);
  assert.deepEqual(order({ kind: 'mp4' }), ['webcodecs', 'mse']);
  assert.deepEqual(order({ socket: false }), ['mp4', 'hls', 'multipart']);
  assert.deepEqual(order({ asked: 'webcodecs' }), ['webcodecs', 'mse', 'mjpeg']);
  assert.deepEqual(order({ asked: 'mp4', kind: 'jpeg' }), ['mp4', 'mjpeg']);
  assert.deepEqual(order({ asked: 'constructor' }), ['webcodecs', 'mse', 'mjpeg']);
});
