// Wall clocks that are set while a stream is watched: the latency that is shown is right again within seconds, and the picture goes on.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { Clock } from '../lib/faketime.mjs';
import { stats, useTransport } from '../lib/page.mjs';
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

for (const { name, open } of engines) {
  test(name, async t => {
    const { page, close } = await open();
    t.after(close);
    for (const [src, transport] of [['cam', 'mse'], ['cam', 'webcodecs'], ['jpg', 'mjpeg']]) {
      await t.test(transport, async t => {
        camera.set('+0');
        house.set('+0');
        await page.goto(server.url(src));
        await useTransport(page, transport);
        await until('a latency', async () => right((await stats(page)).latency) && (await stats(page)).state === 'playing', 30000);
        const { reconnects, gaps = 0 } = await stats(page);
        const steps = [
          ['one machine, forward', [camera, house], '+1h', true],
          ['one machine, back', [camera, house], '-30m', true],
          ['the camera alone goes wrong', [camera], '+1h', false],
          ['the camera is put right', [camera], '-30m', true],
          ['the server alone goes wrong', [house], '+1h', false],
          ['the server is put right', [house], '-30m', true],
        ];
        for (const [what, clocks, to, agree] of steps) {
          const before = (await stats(page)).clockOffset;
          clocks.forEach(clock => clock.set(to));
          if (clocks.includes(house)) await until(`${what}: the page knows the server's clock`, async () => Math.abs((await stats(page)).clockOffset - before) > 1_000_000, SOON_MS);
          // Clocks that do not agree cannot give a latency: that is seen, so the next step proves something.
          await until(`${what}: the latency is ${agree ? 'right' : 'wrong'}`, async () => right((await stats(page)).latency) === agree, agree ? SOON_MS : 20000);
          const { pictures } = await stats(page);
          await until(`${what}: more pictures`, async () => (await stats(page)).pictures > pictures + 5);
          const { latency } = await stats(page);
          assert.equal(right(latency), agree, `${what}: ${latency}`);
        }
        const now = await stats(page);
        t.diagnostic(`${Math.round(now.latency)} ms at the end`);
        assert.deepEqual([now.reconnects, now.gaps ?? 0], [reconnects, gaps], 'media time has not jumped');
      });
    }
  });
}
