// A clip that was trimmed between keyframes: what was cut away is decoded, and never seen.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { useTransport } from '../lib/page.mjs';
import { engines } from '../lib/browsers.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
const clip = path.join(bench.dir, 'trimmed.mp4');

/** Two seconds of red, which the edit list cuts away, then two of green, in one group of pictures. */
before(() => {
  const colour = name => ['-f', 'lavfi', '-i', `color=${name}:size=320x240:rate=25:duration=2`];
  const coded = ['-c:v', 'libx264', '-g', '250', '-x264-params', 'scenecut=0', '-pix_fmt', 'yuv420p'];
  execFileSync('ffmpeg', ['-v', 'error', ...colour('red'), ...colour('green'), '-filter_complex', 'concat=n=2', ...coded, clip]);
  const bytes = fs.readFileSync(clip);
  const elst = bytes.indexOf('elst') + 4;
  assert.equal(bytes.readUInt32BE(elst + 4), 1, 'one edit');
  bytes.writeUInt32BE(2000, elst + 8);
  bytes.writeInt32BE(bytes.readInt32BE(elst + 12) + 2 * 12800, elst + 12);
  fs.writeFileSync(clip, bytes);
});
after(() => bench.close());

/** Notes what is seen in the middle of the picture, in `window.seen`. */
const watch = page => page.evaluate(() => {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  window.seen = { red: 0, green: 0 };
  window.playheads = [];
  const { appendBuffer } = SourceBuffer.prototype;
  SourceBuffer.prototype.appendBuffer = function (data) {
    window.playheads.push(document.querySelector('h5-live').shadowRoot.querySelector('video').currentTime);
    return appendBuffer.call(this, data);
  };
  const look = () => {
    const inside = document.querySelector('h5-live').shadowRoot;
    const video = inside.querySelector('video');
    const painted = inside.querySelector('canvas[part=canvas]');
    const source = painted?.checkVisibility() && painted.width ? painted : video?.readyState >= 2 ? video : null;
    if (source) {
      context.drawImage(source, 0, 0, 1, 1);
      const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
      if (r > 100 && g < 60 && b < 60) window.seen.red++;
      if (g > 60 && r < 60 && b < 60) window.seen.green++;
    }
    requestAnimationFrame(look);
  };
  look();
});

for (const { name, open } of engines) {
  for (const transport of ['mse', 'webcodecs']) {
    test(`${name}, ${transport}`, async t => {
      const server = await Server.start(bench, [`${name}-${transport}`.toLowerCase()]);
      const stream = Object.keys(server.inputs)[0];
      const browser = await open();
      t.after(async () => { await browser.close(); await server.kill(); });
      const { page } = browser;
      // One viewer is there before the clip begins; when it has ended, its last picture stays.
      await page.goto(server.url(stream));
      await until('the player', () => page.evaluate(() => Boolean(document.querySelector('h5-live')?.shadowRoot)));
      if (transport === 'webcodecs' && !(await page.evaluate(() => 'VideoDecoder' in window))) return t.skip('no WebCodecs');
      await useTransport(page, transport);
      await watch(page);
      bench.pipeline([['h5cap', `file:${clip}`], ['h5mux']], server.inputs[stream]);
      await until('green pictures', () => page.evaluate(() => window.seen.green > 20), 20000);
      // WebKitGTK must not seek for the first 300 ms (transports/mse.js), and shows what was cut for as long: of sixty looks a second.
      const most = name === 'WebKit' && transport === 'mse' ? 40 : 0;
      const red = await page.evaluate(() => window.seen.red);
      assert.ok(red <= most, `${red} times something was seen that was cut`);
      // A browser shows what it decodes at the playhead. The first append is the init segment, and what was cut comes with the second. WebKitGTK shows
      // nothing before it has sought, and must not do so before there is something.
      const playheads = await page.evaluate(() => window.playheads);
      if (transport === 'mse' && name !== 'WebKit') assert.ok(playheads[1] > 0, `appended with the playhead at ${playheads.slice(0, 5)}`);
    });
  }
}
