// HDR: a canvas maps it to the brightness of white, a <video> shows it where the screen can. No screen here can: the page is told of one.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from '../lib/browsers.mjs';
import { stats, useTransport } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench, ['sdr', 'hdr']);
  server.feed('sdr', { size: '320x240', rate: '15' });
  const pq = ['-color_primaries', 'bt2020', '-color_trc', 'smpte2084', '-colorspace', 'bt2020nc'];
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '15', '-pix_fmt', 'yuv420p', ...pq];
  bench.pipeline([
    ['h5cap', 'test', '--size', '320x240', '--rate', '15', '--no-audio'],
    ['ffmpeg', '-v', 'error', '-probesize', '32', '-analyzeduration', '0', '-i', 'pipe:0', ...x264, '-flush_packets', '1', '-f', 'matroska', '-cluster_time_limit', '0', 'pipe:1'],
    ['h5mux'],
  ], server.inputs.hdr);
  for (const name of ['sdr', 'hdr']) await server.live(name);
});
after(() => bench.close());

/** A page on a screen of which these media queries say yes. */
async function open(t, ...queries) {
  const browser = await chromium();
  t.after(() => browser.close());
  await browser.page.addInitScript(queries => {
    const { matchMedia } = window;
    window.matchMedia = query => (queries.includes(query) ? { matches: true, addEventListener() {} } : matchMedia.call(window, query));
  }, queries);
  return browser;
}
const playing = page => until('it plays', async () => {
  const { state, transport, pictures } = await stats(page);
  return state === 'playing' && pictures > 5 && transport;
}, 20000);
const gamut = page => page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('[part=canvas]').getContext('2d').getContextAttributes().colorSpace);

test('an HDR screen: HDR by MSE and others by WebCodecs, each with the reason', async t => {
  const { page, errors } = await open(t, '(dynamic-range: high)', '(color-gamut: p3)');
  await page.goto(server.url('hdr'));
  await until('MSE', async () => (await playing(page)) === 'MSE', 20000);
  assert.equal((await stats(page)).why, 'WebCodecs: HDR is for a <video>');
  await page.goto(server.url('sdr'));
  assert.equal(await playing(page), 'WebCodecs');
  assert.equal(await gamut(page), 'display-p3');
  // Who asks for WebCodecs gets them.
  await page.goto(server.url('hdr'));
  await useTransport(page, 'webcodecs');
  await until('WebCodecs', async () => (await playing(page)) === 'WebCodecs', 20000);
  assert.deepEqual(errors, []);
});

test('another screen: HDR by WebCodecs, as bright as the rest of the page', async t => {
  const { page, errors } = await open(t);
  await page.goto(server.url('hdr'));
  assert.equal(await playing(page), 'WebCodecs');
  assert.equal(await gamut(page), 'srgb');
  assert.deepEqual(errors, []);
});
