// What makes the first picture early: the page's WebSocket is opened while the player is on its way, and a second visit asks for no file again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { overlay } from '../lib/overlay.mjs';
import { stats } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;
let single;

before(async () => {
  server = await Server.start(bench, ['cam', 'jpg']);
  single = await Server.start(bench, ['only']);
  server.feed('cam', { size: '320x240' });
  single.feed('only', { size: '320x240' });
  bench.pipeline([['h5cap', 'test', '--size', '320x240', '--no-audio'], ['h5enc', '--video', 'mjpeg']], server.inputs.jpg);
  for (const name of ['cam', 'jpg']) await server.live(name);
  await single.live('only');
});
after(() => bench.close());

for (const { name, open } of engines) {
  test(name, async t => {
    const { page, close } = await open();
    t.after(close);
    // WebKitGTK has a server of its own in front of the server: here it is these.
    page.direct?.();
    /** A front of its own for each page, as it counts what is asked for. */
    const front = async (t, of = server) => {
      const front = await overlay(of.url());
      t.after(async () => {
        await page.goto('about:blank');
        front.close();
      });
      return front;
    };
    /** Goes to a page whose player is held back until something has happened without it. */
    const goWithout = async (front, url, what, is) => {
      let release;
      front.held = new Promise(resolve => (release = resolve));
      const there = page.goto(front.url(url));
      try {
        await until(what, is, 20000);
      } finally {
        release();
      }
      await there;
    };
    const plays = transport => until(`it plays by ${transport}`, async () => {
      const now = await stats(page);
      return now.state === 'playing' && now.transport === transport && now.pictures > 5;
    }, 20000);

    await t.test('the WebSocket is open and a picture is on the page before the player has come, and the player takes both', async t => {
      const cam = await front(t);
      /** How many colours are seen in the picture, and its shape. */
      const drawn = () => page.evaluate(() => {
        const image = document.querySelector('main > .first-picture > img');
        if (!image || performance.getEntriesByName('first-picture').length !== 1) return null;
        const context = Object.assign(document.createElement('canvas'), { width: image.naturalWidth, height: image.naturalHeight }).getContext('2d');
        context.drawImage(image, 0, 0);
        const pixels = new Uint32Array(context.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data.buffer);
        const { width, height } = image.getBoundingClientRect();
        return { colours: new Set(pixels).size, shape: width / height };
      }).catch(() => null);
      let first;
      await goWithout(cam, server.url('cam'), 'a viewer, and a picture', async () => (await server.stream('cam')).viewers === 1 && (first = await drawn()));
      assert.ok(first.colours > 3, `${first.colours} colours`);
      assert.ok(Math.abs(first.shape - 4 / 3) < 0.02, `shape ${first.shape}`);
      await plays('WebCodecs');
      assert.equal(cam.upgrades, 1);
      assert.equal(await page.evaluate(() => document.querySelectorAll('.first-picture').length), 0);
    });

    await t.test('so it is on the page of all streams, where there is but one', async t => {
      const all = await front(t, single);
      await goWithout(all, single.url(), 'a viewer', async () => (await single.stream('only')).viewers === 1);
      await plays('WebCodecs');
      assert.equal(all.upgrades, 1);
    });

    await t.test('the page of several streams has the list before the player', async t => {
      const all = await front(t);
      await goWithout(all, server.url(), 'the list', () => all.asked.includes('/api/streams'));
      await until('both streams', () => page.evaluate(() => document.querySelectorAll('h5-live').length === 2), 20000);
    });

    await t.test('where it is refused, the player opens another one', async t => {
      const refusing = await front(t);
      refusing.refusals = 1;
      await page.goto(refusing.url(server.url('cam')));
      await plays('WebCodecs');
      assert.equal(refusing.upgrades, 2);
    });

    await t.test('MJPEG plays', async t => {
      const jpg = await front(t);
      await page.goto(jpg.url(server.url('jpg')));
      await plays('MJPEG');
    });

    // WebKitGTK does not tell a page with which status it came; a page of the working tree comes with 200.
    await t.test('the page of a stream that is not there opens none', { skip: name === 'WebKit' || Boolean(process.env.H5LIVE_TREE) }, async t => {
      const missing = await front(t);
      await page.goto(missing.url(server.url('nothing')));
      await until('the other streams', () => page.evaluate(() => document.querySelector('main')?.innerText.includes('jpg')));
      assert.equal(missing.upgrades, 0);
    });

    // The files of the working tree have no version.
    await t.test('a second visit asks for no file again', { skip: Boolean(process.env.H5LIVE_TREE) }, async t => {
      const twice = await front(t);
      const visit = async () => {
        twice.asked.length = 0;
        await page.goto(twice.url(server.url('cam')));
        await plays('WebCodecs');
        await page.goto('about:blank');
        return twice.asked.filter(path => /\.(js|css)$/.test(path));
      };
      assert.ok((await visit()).includes('/h5live.js'));
      assert.deepEqual(await visit(), []);
    });
  });
}
