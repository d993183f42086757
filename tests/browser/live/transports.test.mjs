// Choosing and changing transports: never a blank picture, always the reason; and what WebCodecs do when something is wrong.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium, engines } from '../lib/browsers.mjs';
import { stats, useTransport, watchBlanks } from '../lib/page.mjs';
import { Bench, Server, idlePart, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench, ['cam', 'jpg', 'hevc'], ['--on-eof', 'reopen', '--host', 'cam.test']);
  server.feed('cam', { size: '320x240' });
  bench.pipeline([['h5cap', 'test', '--size', '320x240', '--rate', '15', '--no-audio'], ['h5enc', '--video', 'mjpeg']], server.inputs.jpg);
  const x265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-tune', 'zerolatency', '-x265-params', 'log-level=error:keyint=15:repeat-headers=1', '-pix_fmt', 'yuv420p'];
  bench.pipeline([
    ['h5cap', 'test', '--size', '320x240', '--rate', '15', '--no-audio'],
    ['ffmpeg', '-v', 'error', '-probesize', '32', '-analyzeduration', '0', '-i', 'pipe:0', ...x265, '-flush_packets', '1', '-f', 'matroska', '-cluster_time_limit', '0', 'pipe:1'],
    ['h5mux'],
  ], server.inputs.hevc);
  for (const name of ['cam', 'jpg', 'hevc']) await server.live(name);
});
after(() => bench.close());

const playing = (page, label) => until(`${label} plays`, async () => {
  const { state, transport } = await stats(page);
  return state === 'playing' && transport === label;
}, 20000);

for (const { name, open } of engines) {
  test(name, async t => {
    const { page, close } = await open();
    t.after(close);
    await page.goto(server.url('cam'));
    await playing(page, 'WebCodecs');
    assert.equal((await stats(page)).why, 'best here');

    await t.test('from one transport to the next, and never a blank picture', async () => {
      await watchBlanks(page);
      for (const [transport, label] of [['mse', 'MSE'], ['mp4', 'MP4'], ['webcodecs', 'WebCodecs'], ['mse', 'MSE'], ['auto', 'WebCodecs']]) {
        await useTransport(page, transport);
        await playing(page, label);
        assert.equal((await stats(page)).why, transport === 'auto' ? 'best here' : 'asked for');
        const { pictures } = await stats(page);
        await until(`${label} goes on`, async () => (await stats(page)).pictures > pictures + 3);
      }
      assert.deepEqual(await page.evaluate(() => window.blanks), []);
    });

    await t.test('HLS plays where the browser knows it; elsewhere it is said why it does not', async () => {
      await page.goto(server.url('cam'));
      await playing(page, 'WebCodecs');
      await watchBlanks(page);
      const isKnown = await page.evaluate(() => document.createElement('video').canPlayType('application/vnd.apple.mpegurl') !== '');
      // Chromium takes no playlist that has parts alone: a stream has them in its first seconds.
      const segments = async () => (await (await fetch(server.url('cam/video.m3u8'))).text()).match(/#EXTINF/g)?.length ?? 0;
      await until('there are whole segments', async () => (await segments()) >= 4, 30000);
      await useTransport(page, 'hls');
      if (isKnown) {
        await playing(page, 'HLS');
        const { pictures } = await stats(page);
        await until('HLS goes on', async () => (await stats(page)).pictures > pictures + 8);
        assert.equal((await stats(page)).why, 'asked for');
      } else {
        await until('why not', async () => (await stats(page)).why === 'HLS: this browser plays no HLS by itself');
        await playing(page, 'WebCodecs');
      }
      t.diagnostic(`${name}: HLS by itself: ${isKnown}`);
      assert.deepEqual(await page.evaluate(() => window.blanks), []);
    });

    await t.test('MJPEG is played as such, and the reason told', async () => {
      await page.goto(server.url('jpg'));
      await playing(page, 'MJPEG');
      assert.equal((await stats(page)).why, 'WebCodecs: the stream is MJPEG');
      await watchBlanks(page);
      await useTransport(page, 'multipart');
      await playing(page, 'MJPEG (HTTP)');
      await useTransport(page, 'webcodecs');
      await playing(page, 'MJPEG');
      assert.equal((await stats(page)).why, 'WebCodecs: the stream is MJPEG');
      assert.deepEqual(await page.evaluate(() => window.blanks), []);
    });

    await t.test('WebCodecs: sound comes and goes, and the picture does not stop', async () => {
      await page.goto(server.url('cam'));
      await useTransport(page, 'webcodecs');
      await playing(page, 'WebCodecs');
      const { reconnects } = await stats(page);
      const idle = idlePart();
      // A busy machine has a picture late now and then; half a second is a stop.
      await page.evaluate(() => {
        window.states = [];
        addEventListener('statechange', e => window.states.push(e.detail.state), true);
      });
      await page.mouse.click(5, 5); // the page has its gesture
      await page.evaluate(() => (document.querySelector('h5-live').muted = false));
      // Where no device plays sound, as in Firefox on a machine without one, MSE does what can be done; else it is in step here.
      const here = await until('sound', async () => {
        const { sound, state, transport, buffer } = await stats(page);
        return sound && state === 'playing' && buffer > 0.01 && transport;
      }, 20000);
      t.diagnostic(`${name}: sound by ${here}`);
      assert.ok(name !== 'Chromium' || here === 'WebCodecs', here);
      const { buffer, codecs, why } = await stats(page);
      if (here === 'WebCodecs') assert.ok(buffer >= 0 && buffer < 0.5, `${buffer} s of sound in hand`);
      else assert.match(why, /^WebCodecs: sound cannot be played: /);
      assert.match(codecs, /opus|mp4a/);
      await page.evaluate(() => (document.querySelector('h5-live').muted = true));
      await playing(page, 'WebCodecs');
      const { pictures } = await stats(page);
      await until('more pictures', async () => (await stats(page)).pictures > pictures + 30);
      const after = await stats(page);
      assert.deepEqual([after.reconnects, after.sound, after.transport], [reconnects, false, 'WebCodecs']);
      // As long as the sound has to be in hand the picture stands: on a machine without a free processor that is longer.
      const isBusy = idle() < 0.1;
      if (here === 'WebCodecs' && !isBusy) assert.deepEqual(await page.evaluate(() => window.states), []);
    });

    await t.test('WebCodecs: a decoder that fails goes on at a key picture, one that always fails gives way', async () => {
      await page.evaluate(() => {
        const { decode } = VideoDecoder.prototype;
        window.hurt = 1;
        VideoDecoder.prototype.decode = function (chunk) {
          // A delta without what it refers to is an error that the decoder itself finds.
          if (window.hurt-- > 0) return decode.call(this, new EncodedVideoChunk({ type: 'key', timestamp: chunk.timestamp, data: new Uint8Array([0, 0, 0, 1, 0x41, 0xff]) }));
          return decode.call(this, chunk);
        };
      });
      await until('the error was seen', async () => (await stats(page)).resyncs >= 1);
      const { pictures } = await stats(page);
      await until('pictures', async () => (await stats(page)).pictures > pictures + 20);
      assert.equal((await stats(page)).transport, 'WebCodecs');
      await page.evaluate(() => (window.hurt = Infinity));
      await playing(page, 'MSE');
      assert.match((await stats(page)).why, /^WebCodecs: the browser cannot decode this/);
    });

    await t.test('WebCodecs: a decoder that does not keep up is spared the rest of its group', async () => {
      await page.goto(server.url('cam'));
      await page.evaluate(() => {
        const own = Object.getOwnPropertyDescriptor(VideoDecoder.prototype, 'decodeQueueSize').get;
        Object.defineProperty(VideoDecoder.prototype, 'decodeQueueSize', { get() { return window.waiting ?? own.call(this); } });
      });
      await useTransport(page, 'webcodecs');
      await playing(page, 'WebCodecs');
      await page.evaluate(() => (window.waiting = 50));
      await until('pictures are left out', async () => (await stats(page)).dropped > 0);
      await page.evaluate(() => (window.waiting = undefined));
      const { pictures, resyncs } = await stats(page);
      assert.ok(resyncs > 0);
      await until('pictures', async () => (await stats(page)).pictures > pictures + 30);
      assert.equal((await stats(page)).state, 'playing');
    });

    await t.test('H.265 is played where the browser can, and where it cannot the page says what to do', async () => {
      const can = await page.evaluate(() => MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L93.B0"'));
      await page.goto(server.url('hevc'));
      await useTransport(page, 'webcodecs');
      if (name === 'WebKit') {
        await playing(page, 'WebCodecs');
      } else if (can) {
        await playing(page, 'MSE');
        assert.equal((await stats(page)).why, 'WebCodecs: H.265 is not played by this browser');
      } else {
        await until('it says so', async () => (await stats(page)).state === 'unplayable');
        assert.match((await stats(page)).reason, /^H\.265 is not played by this browser; .*H\.264/);
      }
      t.diagnostic(`${name} ${can ? 'plays' : 'does not play'} H.265`);
    });
  });
}

test('Chromium, on a page that came by http from another computer: MSE, and why not WebCodecs', async t => {
  const { page, close } = await chromium({ args: ['--host-resolver-rules=MAP cam.test 127.0.0.1'] });
  t.after(close);
  await page.goto(server.url('cam').replace('127.0.0.1', 'cam.test'));
  assert.equal(await page.evaluate(() => isSecureContext), false);
  await useTransport(page, 'webcodecs');
  await playing(page, 'MSE');
  assert.match((await stats(page)).why, /^WebCodecs: .*https/);
});
