// The public protocol of go2rtc's MSE mode: a page that speaks only that plays our streams.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;
let site;

/**
 * Our own client of that protocol, as far as its documentation and its messages go: codecs filtered by isTypeSupported and joined by
 * commas, an answer with the type for addSourceBuffer, then the stream. A WebRTC offer comes along, as from its page.
 */
const CLIENT = `
  const video = document.querySelector('video');
  const offered = ['avc1.640029', 'avc1.64002A', 'avc1.640033', 'hvc1.1.6.L153.B0', 'mp4a.40.2', 'mp4a.40.5', 'flac', 'opus'];
  window.messages = [];
  const socket = new WebSocket(new URLSearchParams(location.search).get('ws'));
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => {
    const source = new MediaSource();
    source.addEventListener('sourceopen', () => {
      const playable = offered.filter(codec => MediaSource.isTypeSupported('video/mp4; codecs="' + codec + '"'));
      socket.send(JSON.stringify({ type: 'mse', value: playable.join() }));
      socket.send(JSON.stringify({ type: 'webrtc/offer', value: 'v=0' }));
    }, { once: true });
    video.src = URL.createObjectURL(source);
    video.play();
    const waiting = [];
    let buffer;
    const append = () => { if (buffer && !buffer.updating && waiting.length) buffer.appendBuffer(waiting.shift()); };
    socket.onmessage = ({ data }) => {
      if (typeof data !== 'string') return waiting.push(data), append();
      const message = JSON.parse(data);
      window.messages.push(message);
      if (message.type !== 'mse') return;
      buffer = source.addSourceBuffer(message.value);
      buffer.mode = 'segments';
      buffer.addEventListener('updateend', () => {
        if (video.buffered.length && video.currentTime < video.buffered.start(0)) video.currentTime = video.buffered.start(0);
        append();
      });
    };
  };
`;
const OWN = `<!doctype html><video muted width=320></video><script>${CLIENT}</script>`;
const THEIRS = `<!doctype html><body><script type="module">
  import { VideoRTC } from './video-rtc.js';
  customElements.define('video-rtc', VideoRTC);
  const element = document.createElement('video-rtc');
  element.background = true;
  document.body.append(element);
  element.video.muted = true;
  element.src = new URLSearchParams(location.search).get('ws');
</script>`;

before(async () => {
  server = await Server.start(bench, ['cam'], ['--on-eof', 'reopen', '--cors', '*']);
  server.feed();
  await server.live();
  site = http.createServer((request, response) => {
    const at = new URL(request.url, 'http://site').pathname;
    if (at === '/video-rtc.js') return response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(fs.readFileSync(process.env.VIDEO_RTC_JS));
    response.writeHead(200, { 'Content-Type': 'text/html' }).end(at === '/theirs' ? THEIRS : OWN);
  });
  await new Promise(resolve => site.listen(0, '127.0.0.1', resolve));
});
after(async () => {
  site?.close();
  await bench.close();
});

const pages = [['our client of the protocol', 'own'], ...(process.env.VIDEO_RTC_JS ? [['its own player', 'theirs']] : [])];

for (const { name, open } of browsers) {
  for (const [what, at] of pages) {
    test(`${name}: ${what}`, async t => {
      const { page, close } = await open();
      t.after(close);
      const ws = encodeURIComponent(`${server.url('api/ws').replace('http', 'ws')}?src=cam`);
      await page.goto(`http://127.0.0.1:${site.address().port}/${at}?ws=${ws}`);
      const time = () => page.evaluate(() => document.querySelector('video')?.currentTime);
      const start = await until('time advances', time);
      await sleep(5000);
      assert.ok((await time()) - start > 2, `${start} to ${await time()}`);
      assert.equal(await page.evaluate(() => document.querySelector('video').error), null);
      if (at === 'theirs') return;
      const messages = await page.evaluate(() => window.messages);
      const answer = messages.find(m => m.type === 'mse').value;
      assert.match(answer, /^video\/mp4; codecs="avc1\.[0-9A-Fa-f]{6},opus"$/);
      assert.match(messages.find(m => m.type === 'error').value, /^webrtc\/offer/);
    });
  }
}
