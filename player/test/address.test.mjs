// What `src` may be.
import assert from 'node:assert/strict';
import { test } from 'node:test';

globalThis.document = { baseURI: 'http://page.example/a/b.html' };
const { resolve } = await import('../src/addresses.js');

test('the name of a stream, the address of its page, or that of its WebSocket', () => {
  const door = at => ({ name: 'door', ws: `${at.replace('http', 'ws')}api/ws?src=door`, mp4: `${at}door.mp4`, hls: `${at}door/index.m3u8`, mjpg: `${at}door.mjpg`, jpg: `${at}door.jpg` });
  const [here, there] = ['http://page.example/a/', 'https://cam.example:8443/live/'];
  for (const src of ['door', './door', 'door?x=1#y', 'api/ws?src=door', './api/ws?src=door']) assert.deepEqual(resolve(src), door(here), src);
  for (const src of ['/door', '/api/ws?src=door']) assert.deepEqual(resolve(src), door('http://page.example/'), src);
  for (const src of ['door', 'api/ws?src=door']) assert.deepEqual(resolve(there + src), door(there), src);
  assert.deepEqual(resolve('wss://cam.example:8443/live/api/ws?src=door'), door(there));
  assert.deepEqual(resolve('ws://page.example/a/api/ws?src=door'), door(here));
  assert.equal(resolve('/api/ws?src=a%20b').name, 'a%20b');
  assert.equal(resolve('/api/ws').name, 'ws', 'a stream may be called so');
  assert.equal(resolve('http://'), null);
});
