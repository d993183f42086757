// `h5cap test | h5enc | h5mux | h5serve` in real browsers: at once, in order, late by less than 150 ms; then sound.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { click, readClock, stats, video, watchClock } from '../lib/page.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench);
  server.feed();
  await server.live();
});
after(() => bench.close());

for (const { name, open } of browsers) {
  test(name, async t => {
    const browser = await open();
    const { page, requests, errors } = browser;
    t.after(() => browser.close());

    await t.test('plays within 2 s of load', async () => {
      // A shared machine may be slow once; the browser's own first start is not what is measured.
      let first = Infinity;
      for (let attempt = 0; attempt < 4 && first > 2000; attempt++) {
        await page.goto(server.url('cam'));
        first = Math.min(first, await until('the first picture', () => page.evaluate(() => window.firstPicture)));
      }
      t.diagnostic(`first picture ${Math.round(first)} ms after navigation`);
      assert.ok(first < 2000, `${first} ms`);
    });

    await t.test('time and decoded frames advance', async () => {
      const [a] = [await video(page), await sleep(5000)];
      const b = await video(page);
      assert.equal(b.error, null);
      assert.ok(b.time - a.time > 2, `${a.time} to ${b.time}`);
      assert.ok(b.frames - a.frames > 0.6 * 150, `${b.frames - a.frames} of 150 frames`);
    });

    await t.test('pictures come whole, in order, less than 150 ms late', async () => {
      await watchClock(page);
      let read;
      for (let window = 0; window < 5; window++) {
        await sleep(4000);
        read = await readClock(page);
        if (read.p50 < 150 && read.good > 0.9 && read.pictures > 0.6 * 120) break;
      }
      t.diagnostic(`latency p50 ${Math.round(read.p50)} ms, p95 ${Math.round(read.p95)} ms, ${read.pictures} pictures; the page says ${Math.round(read.shown)} ms`);
      assert.ok(read.good > 0.9, `${read.good} of the clocks can be read`);
      assert.ok(read.ordered, `${read.frames}`);
      assert.ok(read.pictures > 0.6 * 120, `${read.pictures} pictures`);
      assert.ok(read.p50 < 150, `p50 ${read.p50} ms`);
      // The figure on the badge is the truth, to a frame and the compositor's 16 ms; here the medians of a busy machine.
      assert.ok(Math.abs(read.shown - read.p50) < 60, `the page says ${read.shown}, the picture ${read.p50}`);
    });

    await t.test('muted, it takes video alone; with sound after a tap', async () => {
      assert.deepEqual((await stats(page)).codecs.split(',').length, 1);
      await click(page, '.pill');
      await until('sound', async () => (await stats(page)).sound && (await stats(page)).state === 'playing');
      const a = await video(page);
      await sleep(3000);
      const b = await video(page);
      assert.equal(b.error, null);
      assert.equal(b.muted, false);
      assert.ok(b.time - a.time > 1.5, `${a.time} to ${b.time}`);
      assert.match((await stats(page)).codecs, /opus|mp4a/);
      if (b.audioBytes !== null) assert.ok(b.audioBytes > a.audioBytes, `${a.audioBytes} to ${b.audioBytes} bytes of sound decoded`);
      else assert.equal(b.audio, true);
    });

    await t.test('nothing is asked from elsewhere, nothing is refused, nothing goes wrong', () => {
      const foreign = requests.filter(url => !url.startsWith(server.url()) && !/^(blob|data|about):/.test(url) && !url.startsWith(server.url().replace('http', 'ws')));
      assert.deepEqual(foreign, []);
      assert.deepEqual(errors, []);
    });
  });
}
