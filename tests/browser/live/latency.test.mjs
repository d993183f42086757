// The picture is live over each transport, by the clock in it: hardly anything newer than what is on the screen has come to the page. The page's own
// figure of the latency is the truth, and plain playback of the same source is far later. How late the picture is in milliseconds is a matter
// of the machine as well: scripts/latency measures it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { plain, player, saysTruth, showsEnough } from '../lib/latency.mjs';
import { Bench, Server } from '../lib/programs.mjs';

const FRAME_MS = 1000 / 30;
/** One frame, and what a picture takes from the page to the screen. */
const TOLERANCE_MS = FRAME_MS + 16;
/** What came and is not on the screen yet: WebCodecs and MJPEG show a picture when it is decoded, while the next one may come. */
const AT_ONCE_MS = 2 * FRAME_MS;
/**
 * MSE keeps a margin before the end of what has come, in player/src/engine/controller.js: NEED.most, RAISE and, where stalls have taught it as on a busy machine,
 * LESSON.limit. A frame is on the screen and half of one is due. What comes unevenly is in hand beyond that, so the least counts.
 */
const MARGIN_MS = 1.5 * FRAME_MS + 40 + 8 + 120;
const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench, ['cam', 'jpg']);
  server.feed();
  bench.pipeline([['h5cap', 'test', '--size', '640x360', '--rate', '30', '--no-audio'], ['h5enc', '--video', 'mjpeg']], server.inputs.jpg);
  await server.live('cam');
  await server.live('jpg');
});
after(() => bench.close());

for (const { name, open } of browsers) {
  test(name, async t => {
    const { page, requests, errors, close } = await open();
    t.after(close);
    const inHand = {};

    for (const [transport, label, stream] of [['webcodecs', 'WebCodecs', 'cam'], ['mse', 'MSE', 'cam'], ['mjpeg', 'MJPEG', 'jpg']]) {
      await t.test(`${label}: what has come is on the screen, and the page says how late it is`, async () => {
        const read = await player(page, server.url(stream), transport, { settle: transport === 'mse' ? 2000 : 500, time: 2000 });
        const { frames, ...figures } = read;
        t.diagnostic(`${label}: p50 ${Math.round(read.p50)} ms, p95 ${Math.round(read.p95)} ms, ${Math.round(read.inHand)} ms in hand, at least ${Math.round(read.margin)} ms, ${read.pictures} pictures in 2 s; the page says ${Math.round(read.shown)} ms`);
        inHand[transport] = read.inHand;
        assert.deepEqual([read.stats.transport, read.stats.why], [label, 'asked for']);
        assert.ok(read.good > 0.9 && read.back === 0 && showsEnough(read, 0.6), JSON.stringify(figures));
        if (transport === 'mse') assert.ok(read.margin !== null && read.margin < MARGIN_MS, JSON.stringify(figures));
        else assert.ok(read.inHand !== null && read.inHand < AT_ONCE_MS, JSON.stringify(figures));
        assert.ok(saysTruth(read, TOLERANCE_MS), `the page says ${read.shown}, the picture ${read.p50}, mostly ${read.astray} apart`);
      });
    }

    // Most of what plain playback is late by is what the browser keeps in hand: a second. It is a tenth with MSE, and a quarter where stalls have taught it.
    await t.test('MSE has at most half in hand of what plain playback of the same source is late', async () => {
      const read = await plain(page, server.url('cam'), 'video', server.url('cam.mp4'), { settle: 500, time: 1500 });
      t.diagnostic(`progressive MP4: p50 ${Math.round(read.p50)} ms`);
      assert.ok(inHand.mse <= read.p50 / 2, `${inHand.mse} of ${read.p50} ms`);
    });

    // Firefox gives a canvas the same picture of a multipart image again and again.
    if (name === 'Chromium') {
      await t.test('multipart JPEG: with the next part\'s head sent early it is sooner than without', async () => {
        const measure = () => plain(page, server.url('jpg'), 'img', server.url('jpg.mjpg'), { settle: 500, time: 1500 });
        const early = await measure();
        // Whoever does not say that he is a browser gets parts with their lengths.
        await page.setExtraHTTPHeaders({ 'User-Agent': 'plain' });
        const late = await measure();
        await page.setExtraHTTPHeaders({});
        t.diagnostic(`multipart JPEG: early heads p50 ${Math.round(early.p50)} ms, plain ${Math.round(late.p50)} ms`);
        assert.ok(early.p50 < late.p50 - 10, `${early.p50}, ${late.p50}`);
      });
    }

    await t.test('nothing is asked from elsewhere, nothing is refused, nothing goes wrong', () => {
      const own = url => url.startsWith(server.url()) || url.startsWith(server.url().replace('http', 'ws')) || /^(blob|data|about):/.test(url);
      assert.deepEqual(requests.filter(url => !own(url)), []);
      // Firefox complains of each connection that ends with its page.
      assert.deepEqual(errors.filter(error => !/wss?:\/\//.test(error)), []);
    });
  });
}
