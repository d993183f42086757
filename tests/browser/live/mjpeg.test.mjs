// `h5cap test | h5enc --video mjpeg | h5serve`: pictures on a canvas, and what plain HTTP gives.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { measured, showsEnough } from '../lib/latency.mjs';
import { stats, useTransport, watchArrivals, watchClock } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;
let stages;
const pictures = (name, size, rate) => bench.pipeline([['h5cap', 'test', '--size', size, '--rate', rate, '--no-audio'], ['h5enc', '--video', 'mjpeg']], server.inputs[name]);
const feed = () => [...pictures('cam', '640x360', '30'), ...pictures('slow', '320x240', '1')];

before(async () => {
  server = await Server.start(bench, ['cam', 'slow']);
  stages = feed();
  await server.live();
});
after(() => bench.close());

/**
 * The part of the pictures that the page can read, and what may have come and not be on the screen, in ms. WebKitGTK is not Safari: it paints without a graphics
 * card, and that takes it the time of two or three pictures.
 */
const asked = name => (name === 'WebKit' ? { read: 0.1, inHand: 250 } : { read: 0.5, inHand: 2000 / 30 });

for (const { name, open } of engines) {
  const least = asked(name);
  test(name, async t => {
    const browser = await open();
    const { page, errors } = browser;
    t.after(() => browser.close());

    await t.test('pictures on a canvas, in order', async () => {
      await page.goto(server.url('cam'));
      await until('the first picture', () => page.evaluate(() => window.firstPicture));
      await watchArrivals(page);
      await useTransport(page, 'mjpeg');
      await until('it plays', async () => (await stats(page)).state === 'playing');
      await watchClock(page);
      const { frames, ...read } = await measured(page, 500, 2500);
      t.diagnostic(`latency p50 ${Math.round(read.p50)} ms, p95 ${Math.round(read.p95)} ms, ${Math.round(read.inHand)} ms in hand, ${read.pictures} pictures in 2.5 s`);
      assert.ok(read.good > 0.9 && read.back === 0 && showsEnough(read, least.read), JSON.stringify(read));
      // The newest that has come is on the screen, while the next one may come.
      assert.ok(read.inHand !== null && read.inHand < least.inHand, `${read.inHand} ms in hand`);
      const shown = await page.evaluate(() => {
        const { shadowRoot } = document.querySelector('h5-live');
        return { canvas: shadowRoot.querySelector('[part=canvas]').checkVisibility(), image: shadowRoot.querySelector('img').checkVisibility(), video: shadowRoot.querySelector('video').checkVisibility(), pill: shadowRoot.querySelector('.pill').checkVisibility() };
      });
      assert.deepEqual(shown, { canvas: true, image: false, video: false, pill: false });
      assert.deepEqual(errors, []);
    });

    await t.test('a picture a second is a slow stream, and none that stalls', async () => {
      await page.goto(server.url('slow'));
      await until('three pictures', async () => (await stats(page)).pictures >= 3);
      await page.evaluate(() => {
        window.states = [];
        addEventListener('statechange', e => window.states.push(e.detail.state), true);
      });
      const { pictures, stalls } = await stats(page);
      await until('five more', async () => (await stats(page)).pictures >= pictures + 5);
      assert.deepEqual([(await stats(page)).stalls - stalls, await page.evaluate(() => window.states)], [0, []]);
      await page.goto(server.url('cam'));
      await until('playing', async () => (await stats(page)).state === 'playing');
    });

    await t.test('without WebSocket: multipart', async () => {
      await page.evaluate(() => document.querySelector('h5-live').setAttribute('transport', 'multipart'));
      await until('playing', async () => (await stats(page)).state === 'playing' && (await stats(page)).transport === 'MJPEG (HTTP)');
      assert.equal((await stats(page)).width, 640);
    });

    await t.test('h5serve killed and started again', async () => {
      await page.evaluate(() => document.querySelector('h5-live').removeAttribute('transport'));
      await until('playing', async () => (await stats(page)).state === 'playing' && (await stats(page)).transport === 'MJPEG');
      await server.kill();
      await until('the page says so', async () => (await stats(page)).state === 'reconnecting');
      // On the canvas, or held over it once the next attempt has emptied that.
      const kept = await page.evaluate(() => ['canvas', 'still'].some(part => {
        const canvas = document.querySelector('h5-live').shadowRoot.querySelector(`[part=${part}]`);
        return canvas.checkVisibility() && canvas.width > 0;
      }));
      assert.ok(kept, 'the last picture stays');
      // A writer that outlives its reader would go on in the middle of its stream.
      await Promise.all(stages.map(stage => stage.ended));
      await server.run();
      stages = feed();
      await server.live();
      const { pictures } = await stats(page);
      await until('pictures', async () => (await stats(page)).pictures > pictures + 10, 15000);
    });
  });
}
