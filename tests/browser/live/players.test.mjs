// Players that people have already, as their authors built them: mpegts.js, flv.js, <img> on a page of another program, and wfs.js.
//
// WFS_JS  one or more of dist/wfs.js (ChihChengYang, MarkRepo), with : between them, to run the real ones: npm has none of them
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
const packages = path.resolve(import.meta.dirname, '../node_modules');
let server;
/** The site of another program, with h5serve behind it under the same name. */
let site;

const SCRIPTS = { '/mpegts.js': `${packages}/mpegts.js/dist/mpegts.js`, '/flv.js': `${packages}/flv.js/dist/flv.js` };
const WFS = (process.env.WFS_JS ?? '').split(':').filter(Boolean);
WFS.forEach((file, n) => (SCRIPTS[`/wfs${n}.js`] = file));

const VIDEO = '<!doctype html><video muted width=320></video>';
/** As a Flask page has it, whose server answers at /video_feed. */
const FLASK = '<!doctype html><title>Camera</title><h1>Camera</h1><img src="/video_feed" width="320">';

before(async () => {
  server = await Server.start(bench, ['cam', 'photo']);
  server.feed('cam');
  bench.pipeline([['h5cap', 'test', '--size', '320x240', '--rate', '10', '--no-audio'], ['h5enc', '--video', 'mjpeg']], server.inputs.photo);
  await server.live('cam');
  await server.live('photo');
  site = await startSite(server.port);
});
after(async () => {
  site?.closeAllConnections();
  site?.close();
  await bench.close();
});

/** Its own pages and scripts; all else, and every WebSocket, is h5serve's. */
function startSite(port) {
  const pages = { '/video.html': VIDEO, '/flask.html': FLASK };
  const serving = http.createServer((request, response) => {
    const at = new URL(request.url, 'http://site').pathname;
    if (pages[at]) return response.writeHead(200, { 'Content-Type': 'text/html' }).end(pages[at]);
    if (SCRIPTS[at]) return response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(fs.readFileSync(SCRIPTS[at]));
    const onward = http.request({ port, host: '127.0.0.1', path: request.url, method: request.method, headers: request.headers }, answer => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end();
  });
  serving.on('upgrade', (request, socket) => {
    const onward = net.connect(port, '127.0.0.1', () => {
      const { rawHeaders: raw } = request;
      const lines = raw.flatMap((name, n) => (n % 2 ? [] : [`${name}: ${raw[n + 1]}`]));
      onward.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [socket, onward]) end.on('error', () => [socket, onward].forEach(one => one.destroy()));
  });
  return new Promise(resolve => serving.listen(0, '127.0.0.1', () => resolve(serving)));
}

const url = at => `http://127.0.0.1:${site.address().port}/${at}`;

/** Runs `start(video, address)` on a page with this script, until the picture has gone on for a second. */
async function plays(page, script, start, address) {
  await page.goto(url('video.html'));
  await page.evaluate(src => new Promise((resolve, reject) => {
    const script = document.head.appendChild(document.createElement('script'));
    script.onload = resolve;
    script.onerror = () => reject(new Error(src));
    script.src = src;
  }), script);
  await page.evaluate(`(${start})(document.querySelector('video'), ${JSON.stringify(address)})`);
  const look = () => page.evaluate(() => {
    const video = document.querySelector('video');
    return { time: video.currentTime, width: video.videoWidth, frames: video.getVideoPlaybackQuality().totalVideoFrames, error: window.trouble ?? video.error?.message };
  });
  let first;
  let last;
  await until(`${script} ${address}: a second of pictures`, async () => {
    last = await look();
    assert.equal(last.error, undefined, `${script} ${address}`);
    if (last.width) first ??= last;
    return first && last.time > first.time + 1 && last.frames > first.frames + 10;
  }, 25000).catch(error => {
    throw new Error(`${error.message}: ${JSON.stringify(last)}`);
  });
  assert.equal(last.width, 640);
}

const flvjs = name => `(video, url) => {
  const player = ${name}.createPlayer({ type: url.endsWith('.ts') ? 'mpegts' : 'flv', isLive: true, hasAudio: false, url });
  player.on(${name}.Events.ERROR, (...what) => { window.trouble = what.join(' '); });
  player.attachMediaElement(video);
  player.load();
  player.play();
}`;

for (const { name, open } of browsers) {
  test(name, async t => {
    const browser = await open();
    const { page } = browser;
    t.after(() => browser.close());
    const socket = at => url(at).replace('http:', 'ws:');

    await t.test('mpegts.js: FLV and MPEG-TS over HTTP, FLV over WebSocket', async () => {
      for (const address of [url('cam.flv'), socket('cam.flv'), url('cam.ts')]) await plays(page, '/mpegts.js', flvjs('mpegts'), address);
    });
    await t.test('flv.js: FLV over HTTP and WebSocket', async () => {
      for (const address of [url('cam.flv'), socket('cam.flv')]) await plays(page, '/flv.js', flvjs('flvjs'), address);
    });
    await t.test('a Flask page with <img>', async () => {
      await page.goto(url('flask.html'));
      await until('a picture', () => page.evaluate(() => document.querySelector('img').naturalWidth === 320));
    });
    for (const n of WFS.keys()) {
      await t.test(`wfs.js: ${WFS[n]}`, async () => {
        // One of the two has an address in it where others have the page's host.
        const start = `video => {
          const Socket = WebSocket;
          window.WebSocket = class extends Socket { constructor(at, ...more) { super(at.includes(location.host) ? at : 'ws://' + location.host + '/wfs/cam', ...more); } };
          video.autoplay = true;
          video.play().catch(() => {});
          new Wfs().attachMedia(video, 'ch1', 'H264Raw', 'wfs/cam');
        }`;
        await plays(page, `/wfs${n}.js`, start, '');
      });
    }
  });
}
