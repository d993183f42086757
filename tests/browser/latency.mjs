// What scripts/latency runs: a table of how late the picture is, over each way that it can take.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { engines } from './lib/browsers.mjs';
import { plain, player, watched } from './lib/latency.mjs';
import { Bench, Server, freePort, until } from './lib/programs.mjs';
import { whep } from './lib/whep.mjs';

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '10' }, rate: { type: 'string', default: '30' }, size: { type: 'string', default: '640x360' }, browser: { type: 'string', default: '' } },
});
const WARM_UP_MS = 5000;
/** Reading a picture makes it late: of ten pictures in a <video> one is read. */
const window = { settle: WARM_UP_MS, time: 1000 * Number(options.seconds), every: 10 };
const bench = new Bench();

/** An address of this machine that is not the loopback's: a page that comes from there by plain HTTP has no WebCodecs. Null where there is none. */
const outside = Object.values(os.networkInterfaces()).flat().find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

/** go2rtc with our stream as its source, by ffmpeg, which copies it; null where one of them is not installed. */
async function go2rtc(server) {
  const found = name => (process.env.PATH ?? '').split(':').map(dir => path.join(dir, name)).find(file => fs.existsSync(file));
  const program = process.env.GO2RTC ?? found('go2rtc');
  if (!program || !found('ffmpeg')) return null;
  const [api, rtsp, webrtc] = [await freePort(), await freePort(), await freePort()];
  const copy = `ffmpeg -v error -probesize 4096 -analyzeduration 0 -i ${server.url('cam.mp4?codecs=avc1')} -c copy -flush_packets 1 -muxdelay 0 -f mpegts -`;
  const config = path.join(bench.dir, 'go2rtc.yaml');
  fs.writeFileSync(config, `api: {listen: "127.0.0.1:${api}"}\nrtsp: {listen: "127.0.0.1:${rtsp}"}\nwebrtc: {listen: "127.0.0.1:${webrtc}"}\nsrtp: {listen: ""}\nlog: {level: error}\nstreams:\n  cam: "exec:${copy}"\n`);
  bench.start(program, ['-config', config]);
  const address = `http://127.0.0.1:${api}/`;
  await until('go2rtc listens', () => fetch(address).then(r => r.ok, () => false));
  return `${address}stream.html?src=cam&mode=`;
}

const ms = value => (Number.isFinite(value) ? `${Math.round(value)}`.padStart(6) : '     -');

function row(name, read) {
  const { p50, p95, shown = null, stats } = read;
  const sent = (read.elapsed / 1000) * Number(options.rate);
  const part = `${Math.round(100 * Math.max(0, Math.min(1, read.painted / sent)))} %`;
  console.log(`${name.padEnd(34)}${ms(p50)}${ms(p95)}${ms(shown ?? NaN)}${part.padStart(8)}${stats ? `   ${stats.transport}, ${stats.stalls} stalls` : ''}`);
}

async function measure(name, run) {
  try {
    row(name, await run());
  } catch (error) {
    console.log(`${name.padEnd(34)}  failed: ${error.message}`);
  }
}

try {
  const args = ['--on-eof', 'reopen'];
  const lan = outside && `${outside}:${await freePort()}`;
  const server = await Server.start(bench, ['cam', 'jpg'], lan ? [...args, '--listen', lan, '--public'] : args);
  server.feed('cam', options);
  bench.pipeline([['h5cap', 'test', '--size', options.size, '--rate', options.rate, '--no-audio'], ['h5enc', '--video', 'mjpeg']], server.inputs.jpg);
  await server.live('cam');
  await server.live('jpg');
  const other = await go2rtc(server);
  if (!other) console.log('go2rtc (or ffmpeg, which feeds it) is not installed: left out');
  if (!process.env.WHEP) console.log('no server of WebRTC is named by WHEP: left out');
  if (!lan) console.log('this machine has no address but the loopback\'s: plain http is left out');
  console.log(`\n${options.size} at ${options.rate} pictures a second, ${options.seconds} s each; ms from capture to screen`);
  for (const { name, open } of engines.filter(b => b.name.toLowerCase().includes(options.browser.toLowerCase()))) {
    const { page, close } = await open();
    console.log(`\n${name.padEnd(34)}   p50   p95  told   shown`);
    try {
      for (const [transport, stream] of [['auto', 'cam'], ['webcodecs', 'cam'], ['mse', 'cam'], ['mjpeg', 'jpg']]) await measure(transport === 'auto' ? 'h5live, as it comes' : `h5live, ${transport}`, () => player(page, server.url(stream), transport, window));
      if (lan) await measure('h5live, as it comes by plain http', () => player(page, `http://${lan}/cam`, 'auto', window));
      // Its driver waits for a page to be loaded, which a page with an endless <video> never is.
      if (name === 'WebKit') continue;
      await measure('<video src=NAME.mp4>', () => plain(page, server.url('cam'), 'video', server.url('cam.mp4'), window));
      // Firefox gives a canvas the same picture of a multipart image again and again.
      if (name === 'Chromium') await measure('<img src=NAME.mjpg>', () => plain(page, server.url('jpg'), 'img', server.url('jpg.mjpg'), window));
      for (const mode of other ? ['mse', 'webrtc'] : []) await measure(`go2rtc's page, ${mode}`, () => theirs(page, other + mode));
      if (process.env.WHEP) await measure('WebRTC by WHEP', () => webrtc(page, server));
    } finally {
      await close();
    }
  }
} finally {
  await bench.close();
}

/** go2rtc's own page: its <video> is in the document itself. */
async function theirs(page, address) {
  await page.goto(address);
  await until('its <video>', () => page.evaluate(() => document.querySelector('video')?.videoWidth > 0), 20000);
  return watched(page, 'video', window);
}

/** The server of WebRTC that the user has named, on a page of ours. */
async function webrtc(page, server) {
  await page.goto(server.url('cam'));
  await whep(page, process.env.WHEP);
  return watched(page, 'video', window);
}
