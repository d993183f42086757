// What a browser lacks is not missed: with each part of it taken away before the player's module runs, the page plays by another way, and says why.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { overlay } from '../lib/overlay.mjs';
import { stats, useTransport } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const CALLBACK = 'HTMLVideoElement.prototype.requestVideoFrameCallback';
const COUNTERS = ['getVideoPlaybackQuality', 'mozPaintedFrames', 'webkitDecodedFrameCount'].flatMap(name => [`HTMLVideoElement.prototype.${name}`, `HTMLMediaElement.prototype.${name}`]);
const [DECODER, SOURCE, MANAGED] = ['globalThis.VideoDecoder', 'globalThis.MediaSource', 'globalThis.ManagedMediaSource'];
/** What is taken away, what is asked for, and what plays then: the transport, why it is this one, and what tells that there is another picture. */
const CASES = [
  ['requestVideoFrameCallback', [CALLBACK], 'mse', ['MSE', 'asked for', 'getVideoPlaybackQuality']],
  ['requestVideoFrameCallback and any counter of pictures', [CALLBACK, ...COUNTERS], 'mse', ['MSE', 'asked for', 'currentTime']],
  ['VideoDecoder', [DECODER], 'auto', ['MSE', 'WebCodecs: this browser has no WebCodecs', null]],
  ['ManagedMediaSource', [MANAGED], 'mse', ['MSE', 'asked for', null]],
  ['MediaSource, which was asked for', [SOURCE, MANAGED], 'mse', ['WebCodecs', 'MSE: this browser has no MediaSource', 'VideoDecoder']],
  ['MediaSource and VideoDecoder', [SOURCE, MANAGED, DECODER], 'auto', ['MP4', 'WebCodecs: this browser has no WebCodecs', 'currentTime']],
];
const bench = new Bench();
const fronts = [];
let server;

before(async () => {
  server = await Server.start(bench);
  server.feed('cam', { size: '320x240' });
  await server.live();
  for (const [, names] of CASES) fronts.push(await overlay(server.url(), names.map(name => `delete ${name};\n`).join('')));
});
after(async () => {
  for (const front of fronts) front.close();
  await bench.close();
});

for (const { name, open } of engines) {
  test(name, async t => {
    const { page, close } = await open();
    t.after(close);
    // WebKitGTK has a server of its own in front of the server: here it is these.
    page.direct?.();
    for (const [i, [what, , asked, [transport, why, signal]]] of CASES.entries()) {
      await t.test(`without ${what}`, async () => {
        await page.goto(fronts[i].url(server.url('cam')));
        if (asked !== 'auto') await useTransport(page, asked);
        let now = {};
        const plays = async () => {
          now = await stats(page);
          return now.state === 'playing' && now.transport === transport && now.pictures > 5 && (signal === null || now.signal === signal);
        };
        await until(`it plays by ${transport}`, plays, 20000).catch(error => assert.fail(`${error.message}: ${JSON.stringify(now)}`));
        const { pictures } = now;
        await until('it goes on', async () => (await stats(page)).pictures > pictures + 5);
        now = await stats(page);
        assert.deepEqual([now.transport, now.why, now.reconnects], [transport, why, 0]);
      });
    }
  });
}
