// Portrait clips upright, wide pixels wide: over MSE, WebCodecs and MJPEG, in a snapshot and in full screen.
//
// H5LIVE_ALL: all eight orientations, which takes minutes. (Each transport and browser treats mirrors, halves and quarters apart.)
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { useTransport } from '../lib/page.mjs';
import { engines } from '../lib/browsers.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';
import { ORIENTATIONS, movie, pictures, quarters } from '../lib/turned.mjs';

const bench = new Bench();
let server;

/** Name, what it is made of, and its size on the screen. */
const SHAPES = [
  ...(process.env.H5LIVE_ALL ? Object.keys(ORIENTATIONS) : ['2', '3', '6', '7']).map(exif => [`exif${exif}`, { exif: Number(exif) }, exif > 4 ? [120, 160] : [160, 120]]),
  ['wide', { sar: '64/45' }, [228, 120]],
  ['wideturned', { sar: '64/45', exif: 6 }, [120, 228]],
];

before(async () => {
  server = await Server.start(bench, [], ['--on-eof', 'reopen', '--rate', '10', ...SHAPES.flatMap(([name, shape]) => [`${name}-movie=${movie(bench.dir, name, shape)}`, `${name}-pictures=${pictures(bench.dir, name, shape)}`])]);
});
after(() => bench.close());

/** The player, and the box in which it is. */
const look = page => page.evaluate(() => {
  const host = document.querySelector('h5-live');
  const { left, top, width, height } = host.getBoundingClientRect();
  return { box: { left, top, width, height }, size: [host.stats.width, host.stats.height] };
});

const near = (size, expected, what) => size.forEach((side, i) => assert.ok(Math.abs(side - expected[i]) <= 1, `${what}: ${size}, not ${expected}`));
const alike = (ratio, [width, height], what) => assert.ok(Math.abs(ratio / (width / height) - 1) < 0.02, `${what}: ${ratio}, not ${width / height}`);

for (const { name, open } of engines) {
  test(name, async t => {
    const browser = await open();
    const { page, errors } = browser;
    t.after(() => browser.close());

    for (const [shape, { exif = 1 }, expected] of SHAPES) {
      for (const transport of ['mse', 'webcodecs', 'mjpeg', 'multipart']) {
        // A plain <img> has nobody who tells it how wide pixels are; that it turns them is all there is to see.
        if (transport === 'multipart' && shape !== 'exif6') continue;
        await t.test(`${shape} by ${transport}`, async () => {
          const kind = ['mjpeg', 'multipart'].includes(transport) ? 'pictures' : 'movie';
          await page.goto(server.url(`${shape}-${kind}?controls=0`));
          await useTransport(page, transport);
          await until('it plays', () => page.evaluate(() => {
            const { state, pictures, width } = document.querySelector('h5-live').stats;
            return state === 'playing' && pictures > 2 && width > 0;
          }), 20000);
          const { seen } = ORIENTATIONS[exif];
          const shot = async () => {
            const { box, size } = await look(page);
            return { box, size, corners: quarters(Buffer.from(await page.screenshot()), box) };
          };
          await until('upright', async () => (await shot()).corners.join() === seen.join(), 5000).catch(() => {});
          const { box, size, corners } = await shot();
          if (process.env.H5LIVE_SHOTS) fs.writeFileSync(path.join(process.env.H5LIVE_SHOTS, `${shape}-${transport}-${name}.png`), await page.screenshot());
          assert.deepEqual(corners, seen);
          near(size, expected, 'what is told');
          alike(box.width / box.height, expected, 'the box');
          const png = await page.evaluate(async () => {
            const bytes = new Uint8Array(await (await document.querySelector('h5-live').snapshot()).arrayBuffer());
            return btoa(String.fromCharCode(...bytes));
          });
          const still = Buffer.from(png, 'base64');
          const snapshot = [still.readUInt32BE(16), still.readUInt32BE(20)];
          near(snapshot, expected, 'the snapshot');
          assert.deepEqual(quarters(still, { left: 0, top: 0, width: snapshot[0], height: snapshot[1] }), seen, 'the snapshot');
          // In a box of another shape, as in full screen: whole, in the middle.
          await page.evaluate(() => document.querySelector('h5-live').style.cssText = 'position: fixed; inset: 0; width: 600px; height: 300px; max-width: none; aspect-ratio: auto; z-index: 9');
          const { box: wide } = await look(page);
          assert.deepEqual([wide.width, wide.height], [600, 300]);
          const [width, height] = expected;
          const scale = Math.min(600 / width, 300 / height);
          const inside = { left: wide.left + (600 - width * scale) / 2, top: wide.top + (300 - height * scale) / 2, width: width * scale, height: height * scale };
          const beyond = { left: inside.left - 20, top: inside.top + inside.height / 4, width: 40, height: 0 };
          const fits = async () => {
            const png = Buffer.from(await page.screenshot());
            const [outside, within] = quarters(png, beyond);
            return [...quarters(png, inside), outside, within].join();
          };
          const wanted = [...seen, 'black', seen[0]].join();
          await until('it fits', async () => (await fits()) === wanted, 5000).catch(() => {});
          assert.equal(await fits(), wanted);
        });
      }
    }
    // Firefox tells of each connection that ends with its page.
    assert.deepEqual(errors.filter(error => !error.includes('ws://')), []);
  });
}
