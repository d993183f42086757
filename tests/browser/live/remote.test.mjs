// Another device plays the stream: by the Remote Playback API, and by WebKit's AirPlay. There is no device here: the browser's part is played by the test.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { inside, prepare } from '../lib/face.mjs';
import { stats } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench, ['cam']);
  server.feed('cam', { size: '320x240' });
  await server.live('cam');
});
after(() => bench.close());

/** A browser with the one way or the other, and with what it is told in `window.device`. */
const FAKES = {
  remote: () => {
    const device = (globalThis.device = { prompts: 0, asked: null, plays: 0 });
    const remotes = new WeakMap();
    class Remote extends EventTarget {
      watchAvailability(tell) {
        device.tell = tell;
        return Promise.resolve(1);
      }

      async prompt() {
        device.prompts++;
        if (device.refuses) throw new DOMException('dismissed', 'NotAllowedError');
        this.dispatchEvent(new Event(device.on ? 'disconnect' : 'connect'));
        device.on = !device.on;
      }
    }
    const of = video => remotes.get(video) ?? remotes.set(video, Object.assign(new Remote(), { video })).get(video);
    Object.defineProperty(HTMLMediaElement.prototype, 'remote', { configurable: true, get() { return of(this); } });
  },
  airplay: () => {
    const device = (globalThis.device = { prompts: 0, asked: null, plays: 0 });
    Object.defineProperty(HTMLMediaElement.prototype, 'remote', { configurable: true, value: undefined });
    const { addEventListener } = HTMLMediaElement.prototype;
    HTMLMediaElement.prototype.addEventListener = function (name, run, options) {
      if (name === 'webkitplaybacktargetavailabilitychanged') device.tell = is => run(Object.assign(new Event(name), { availability: is ? 'available' : 'not-available' }));
      return addEventListener.call(this, name, run, options);
    };
    HTMLMediaElement.prototype.webkitShowPlaybackTargetPicker = function () {
      device.prompts++;
      if (device.refuses) return;
      device.on = !device.on;
      Object.defineProperty(this, 'webkitCurrentPlaybackTargetIsWireless', { configurable: true, value: device.on });
      this.dispatchEvent(new Event('webkitcurrentplaybacktargetiswirelesschanged'));
    };
  },
  both: () => {
    const { play } = HTMLMediaElement.prototype;
    HTMLMediaElement.prototype.play = function () {
      if (this.getAttribute('part') !== 'remote') return play.call(this);
      globalThis.device.asked = this.src;
      return Promise.resolve();
    };
  },
};

const become = (page, wanted) => until(wanted, async () => (await stats(page)).state === wanted, 20000);
const offered = page => inside(page, 'shown', '[part~=cast-button]');
const press = page => page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('[part~=cast-button]').click());
const device = page => page.evaluate(() => ({ ...globalThis.device, tell: Boolean(globalThis.device.tell) }));

// WebKitGTK lets nothing into a page before its own scripts.
for (const { name, open } of engines.filter(({ name }) => !name.startsWith('WebKit'))) {
  for (const way of ['remote', 'airplay']) {
    test(`${name}, ${way}`, async t => {
      const { page, close } = await open();
      t.after(close);
      await prepare(page);
      for (const fake of [FAKES[way], FAKES.both]) await (page.addInitScript ? page.addInitScript(fake) : page.evaluateOnNewDocument(fake));
      await page.goto(server.url('cam'));
      await become(page, 'playing');
      await until('it watches', async () => (await device(page)).tell);
      assert.equal(await offered(page), false, 'no device, no button');
      await page.evaluate(() => globalThis.device.tell(true));
      assert.equal(await offered(page), true);

      // The viewer thinks better of it.
      await page.evaluate(() => (globalThis.device.refuses = true));
      await press(page);
      assert.equal((await stats(page)).state, 'playing');
      await page.evaluate(() => (globalThis.device.refuses = false));

      await press(page);
      await until('the device plays', async () => (await device(page)).asked !== null);
      assert.equal((await device(page)).asked, server.url('cam/index.m3u8'));
      await become(page, 'idle');
      await until('the page lets go', async () => (await server.stream()).viewers === 0);
      assert.match(await inside(page, 'text', '[part=message]'), /^Playing on another device/);

      // By the picker, as on the device itself.
      await press(page);
      await become(page, 'playing');
      assert.equal(await inside(page, 'shown', '[part=message]'), false);

      // By the page: the button in the middle.
      await press(page);
      await become(page, 'idle');
      await page.evaluate(() => document.querySelector('h5-live').play());
      await become(page, 'playing');
      await page.evaluate(() => globalThis.device.tell(false));
      assert.equal(await offered(page), false);
    });
  }
}
