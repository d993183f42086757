// Wall clocks that are set while a stream is watched: the latency that is shown is right again within seconds, and the picture goes on.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { Clock } from '../lib/faketime.mjs';
import { playerIsThere } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
/** Two machines: one that captures, one that serves. */
let camera;
let house;
let server;

before(async () => {
  camera = new Clock(path.join(bench.dir, 'camera.clock'));
  house = new Clock(path.join(bench.dir, 'house.clock'));
  server = await Server.start(bench, ['cam', 'jpg'], undefined, { clock: house });
  server.feed('cam', { size: '320x180', rate: '20', clock: camera });
  bench.pipeline([['h5cap', 'test', '--size', '320x180', '--rate', '20', '--no-audio'], ['h5enc', '--video', 'mjpeg']], server.inputs.jpg, { clock: camera });
  await server.live('cam');
  await server.live('jpg');
});
after(() => bench.close());

/** What a person would see within these seconds is no longer the step. */
const SOON_MS = 10000;
const right = latency => latency !== null && latency > -20 && latency < 10000;

/** Streams and transports. */
const PLAYERS = [['cam', 'mse'], ['cam', 'webcodecs'], ['jpg', 'mjpeg']];
/** A player for each of them in one page: all see each step. WebKitGTK without a graphics card does not keep up with three: there it is one after the other. */
const rounds = name => (name === 'WebKit' ? PLAYERS.map(player => [player]) : [PLAYERS]);

/** In the page: the players. */
function show(players) {
  document.querySelector('main').replaceChildren(...players.map(([src, transport]) => {
    const element = document.createElement('h5-live');
    for (const [name, value] of Object.entries({ src, transport, muted: '' })) element.setAttribute(name, value);
    return element;
  }));
}

/** What each player says of itself. */
const all = page => page.evaluate(() => [...document.querySelectorAll('h5-live')].map(element => ({ asked: element.transport, time: element.shadowRoot?.querySelector('video').currentTime, ...element.stats })));

for (const { name, open } of engines) {
  test(name, async t => {
    const { page, close } = await open();
    t.after(close);
    for (const players of rounds(name)) await t.test(players.map(([, transport]) => transport).join(', '), t => follow(t, page, players));
  });
}

/** Lets players see each step. */
async function follow(t, page, players) {
  camera.set('+0');
  house.set('+0');
  await page.goto(server.url('cam'));
  await playerIsThere(page);
  await page.evaluate(show, players);
  const each = (what, is, limit) => until(what, async () => (await all(page)).every(is), limit);
  await each('a latency of each', now => right(now.latency) && now.state === 'playing', 30000);
  const begun = await all(page);
  assert.deepEqual(begun.map(now => now.transport.toLowerCase()), players.map(([, transport]) => transport));
  const steps = [
    ['one machine, forward', [camera, house], '+1h', true],
    ['one machine, back', [camera, house], '-30m', true],
    ['the camera alone goes wrong', [camera], '+1h', false],
    ['the camera is put right', [camera], '-30m', true],
    ['the server alone goes wrong', [house], '+1h', false],
    ['the server is put right', [house], '-30m', true],
  ];
  for (const [what, clocks, to, agree] of steps) {
    const before = await all(page);
    clocks.forEach(clock => clock.set(to));
    if (clocks.includes(house)) await each(`${what}: the page knows the server's clock`, ({ clockOffset }, i) => Math.abs(clockOffset - before[i].clockOffset) > 1_000_000, SOON_MS);
    // Clocks that do not agree cannot give a latency: that is seen, so the next step proves something.
    await each(`${what}: the latency is ${agree ? 'right' : 'wrong'}`, ({ latency }) => right(latency) === agree, agree ? SOON_MS : 20000);
    const then = await all(page);
    // After a stall there is none for a picture.
    await each(`${what}: after more pictures it still is`, ({ pictures, latency }, i) => pictures > then[i].pictures + 5 && right(latency) === agree);
  }
  const now = await all(page);
  t.diagnostic(now.map(({ asked, latency }) => `${asked}: ${Math.round(latency)} ms at the end`).join(', '));
  assert.deepEqual(now.map(({ reconnects }) => reconnects), begun.map(({ reconnects }) => reconnects));
  // By none of the steps; tests/it/clock.rs has it to the frame, which a busy machine may leave out.
  now.forEach(({ asked, time }, i) => assert.ok(time - begun[i].time < 600, `${asked}: media time has jumped from ${begun[i].time} to ${time} s`));
}
