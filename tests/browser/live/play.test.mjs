// `h5cap test | h5enc | h5mux | h5serve` in real browsers: at once, in order, at the live edge; then sound.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { measured, saysTruth, showsEnough } from '../lib/latency.mjs';
import { click, stats, useTransport, video, watchArrivals, watchClock } from '../lib/page.mjs';
import { Bench, Server, idleMs, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench);
  server.feed();
  await server.live();
});
after(() => bench.close());

/**
 * What is asked of an engine: the part of the frames that the page can read, the margin in ms that it may keep (live/latency says where that comes from), the
 * frames that it may go back by, and how far the page's own figure may be from that of the pictures, in ms. WebKitGTK is not Safari. It decodes with GStreamer in a process of its own and
 * paints with OpenGL without a graphics card. On two cores that costs it pictures and time. It seeks at each change of the playback rate, and
 * shows one or two pictures again.
 */
const asked = name => (name === 'WebKit' ? { read: 0.05, margin: 600, back: 2, agree: 250 } : { read: 0.6, margin: 234, back: 0, agree: 60 });
/**
 * A start takes 0.3 to 0.8 s of a machine that does nothing else, and more of a busy one. So the time counts in which a processor had nothing to do: that is
 * time that the start has waited for something else, and it is at most all of it.
 */
const START_MS = { all: 2000, idle: 1000 };

for (const { name, open } of engines) {
  const least = asked(name);

  test(name, async t => {
    const browser = await open();
    const { page, requests, errors } = browser;
    t.after(() => browser.close());

    await t.test('plays within 2 s of load', async () => {
      const idle = idleMs();
      await page.goto(server.url('cam'));
      const first = await until('the first picture', () => page.evaluate(() => window.firstPicture), 20000);
      const waited = idleMs() - idle;
      t.diagnostic(`first picture ${Math.round(first)} ms after navigation; a processor was idle for ${Math.round(waited)} ms`);
      assert.ok(first < START_MS.all || waited < START_MS.idle, `${first} ms, ${waited} ms of it idle`);
    });

    await t.test('as it comes: by the transport with the lowest latency, and it says why', async () => {
      const { transport, why, signal } = await until('pictures', async () => {
        const now = await stats(page);
        return now.pictures > 5 && now;
      });
      assert.deepEqual([transport, why, signal], ['WebCodecs', 'best here', 'VideoDecoder']);
    });

    await t.test('MSE: time and decoded frames advance', async () => {
      await watchArrivals(page);
      await useTransport(page, 'mse');
      await until('it plays', async () => (await stats(page)).state === 'playing', 20000);
      const a = await video(page);
      // WebKitGTK's counter of frames stands still for seconds and was seen to go back; its pictures are counted below.
      const b = await until('two seconds, and sixty frames', async () => {
        const now = await video(page);
        return now.time - a.time > 2 && (name === 'WebKit' || now.frames - a.frames > 60) && now;
      }, 20000);
      assert.equal(b.error, null);
    });

    await t.test('pictures come whole, in order, and what has come is on the screen', async () => {
      await watchClock(page);
      // After a start MSE plays off what it has too much in hand for three seconds.
      const { frames, ...read } = await measured(page, 3000, 3000);
      t.diagnostic(`latency p50 ${Math.round(read.p50)} ms, p95 ${Math.round(read.p95)} ms, ${Math.round(read.inHand)} ms in hand, at least ${Math.round(read.margin)} ms, ${read.pictures} pictures, ${read.seen} of the frames; the page says ${Math.round(read.shown)} ms`);
      assert.ok(read.good > 0.9, `${read.good} of the clocks can be read`);
      assert.ok(read.back <= least.back, `${frames}`);
      assert.ok(showsEnough(read, least.read), `${read.seen} of the frames, ${read.pictures} pictures`);
      assert.ok(read.margin !== null && read.margin < least.margin, `${read.margin} ms in hand at least, ${read.inHand} mostly`);
      // The figure on the badge is the truth, to a frame and the compositor's 16 ms.
      assert.ok(saysTruth(read, least.agree), `the page says ${read.shown}, the picture ${read.p50}, mostly ${read.astray} apart`);
    });

    await t.test('no attempt was given up, and it says what tells it of pictures', async () => {
      const { reconnects, transport, signal } = await stats(page);
      assert.deepEqual([reconnects, transport], [0, 'MSE']);
      assert.equal(signal, name === 'WebKit' ? 'getVideoPlaybackQuality' : 'requestVideoFrameCallback');
    });

    await t.test('muted, it takes video alone; with sound after a tap', async () => {
      assert.deepEqual((await stats(page)).codecs.split(',').length, 1);
      await click(page, '.pill');
      await until('sound', async () => (await stats(page)).sound && (await stats(page)).state === 'playing');
      const a = await video(page);
      const b = await until('two seconds with sound', async () => {
        const now = await video(page);
        return now.time - a.time > 2 && now;
      }, 20000);
      assert.equal(b.error, null);
      assert.equal(b.muted, false);
      assert.match((await stats(page)).codecs, /opus|mp4a/);
      if (b.audioBytes !== null) assert.ok(b.audioBytes > a.audioBytes, `${a.audioBytes} to ${b.audioBytes} bytes of sound decoded`);
      else if (b.audio !== null) assert.equal(b.audio, true);
    });

    await t.test('nothing is asked from elsewhere, nothing is refused, nothing goes wrong', async () => {
      const foreign = requests.filter(url => !url.startsWith(server.url()) && !/^(blob|data|about):/.test(url) && !url.startsWith(server.url().replace('http', 'ws')));
      assert.deepEqual(foreign, []);
      assert.deepEqual([...errors, ...((await page.evaluate(() => window.faults)) ?? [])], []);
    });
  });
}
