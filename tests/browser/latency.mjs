// What scripts/latency runs: a table of how late the picture is, over each way that it can take.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { engines } from './lib/browsers.mjs';
import { element, plays } from './lib/latency.mjs';
import { playerIsThere, stats } from './lib/page.mjs';
import { Bench, Server, freePort, sleep, until } from './lib/programs.mjs';
import { Screen, putInCorner } from './lib/screen.mjs';
import { whep } from './lib/whep.mjs';

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '10' }, rate: { type: 'string', default: '30' }, size: { type: 'string', default: '640x360' }, browser: { type: 'string', default: '' } },
});
const WARM_UP_MS = 5000;
const size = options.size.split('x').map(Number);
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

function row(name, { p50, p95, seen, told = NaN, stats, torn }) {
  const part = `${Math.round(100 * seen)} %`;
  console.log(`${name.padEnd(34)}${ms(p50)}${ms(p95)}${ms(told)}${part.padStart(8)}${stats ? `   ${stats.transport}, ${stats.stalls} stalls` : ''}${torn > 0 ? `, ${torn} looks at half a picture` : ''}`);
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
  console.log(`\n${options.size} at ${options.rate} pictures a second, ${options.seconds} s each; ms from capture to the pixels of the screen`);
  for (const { name, open } of engines.filter(b => b.name.toLowerCase().includes(options.browser.toLowerCase()))) {
    const screen = await Screen.open([1280, 1024]);
    const { page, close } = await open({ screen });
    const watched = selector => watch(page, screen, selector);
    const player = async (url, transport) => {
      await page.goto(url);
      await plays(page, transport);
      return watched('h5-live');
    };
    const plain = async (near, tag, src) => {
      await element(page, near, tag, src);
      return watched(tag);
    };
    console.log(`\n${name.padEnd(34)}   p50   p95  told   shown`);
    try {
      for (const [transport, stream] of [['auto', 'cam'], ['webcodecs', 'cam'], ['mse', 'cam'], ['mjpeg', 'jpg']]) await measure(transport === 'auto' ? 'h5live, as it comes' : `h5live, ${transport}`, () => player(server.url(stream), transport));
      if (lan) await measure('h5live, as it comes by plain http', () => player(`http://${lan}/cam`, 'auto'));
      // Its driver waits for a page to be loaded, which a page with an endless <video> never is.
      if (name === 'WebKit') continue;
      await measure('<video src=NAME.mp4>', () => plain(server.url('cam'), 'video', server.url('cam.mp4')));
      await measure('<img src=NAME.mjpg>', () => plain(server.url('jpg'), 'img', server.url('jpg.mjpg')));
      for (const mode of other ? ['mse', 'webrtc'] : []) await measure(`go2rtc's page, ${mode}`, () => theirs(page, other + mode, watched));
      if (process.env.WHEP) await measure('WebRTC by WHEP', () => webrtc(page, server, watched));
    } finally {
      await close();
      screen.close();
    }
  }
} finally {
  await bench.close();
}

/** go2rtc's own page: its <video> is in the document itself. */
async function theirs(page, address, watched) {
  await page.goto(address);
  await until('its <video>', () => page.evaluate(() => document.querySelector('video')?.videoWidth > 0), 20000);
  return watched('video');
}

/** The server of WebRTC that the user has named, on a page of ours. */
async function webrtc(page, server, watched) {
  await page.goto(server.url('cam'));
  await playerIsThere(page);
  await whep(page, process.env.WHEP);
  return watched('video');
}

/** What is on the screen of an element, after a warm-up, and what the player says meanwhile. */
async function watch(page, screen, selector) {
  await putInCorner(page, selector, size);
  await sleep(WARM_UP_MS);
  await page.evaluate(() => {
    window.told = [];
    setInterval(() => window.told.push(document.querySelector('h5-live')?.stats?.latency ?? null), 100);
  });
  const read = await screen.read(size, 1000 * Number(options.seconds));
  const told = (await page.evaluate(() => window.told)).filter(latency => latency !== null).sort((a, b) => a - b);
  return { ...read, told: told[told.length >> 1], stats: selector === 'h5-live' ? await stats(page) : null };
}
