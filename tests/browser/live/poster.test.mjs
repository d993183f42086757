// A still picture in place of the stream: where nothing plays before somebody asks for it, and where a page names one. It is asked for when it is needed alone.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { chromium, engines } from '../lib/browsers.mjs';
import { inside, prepare } from '../lib/face.mjs';
import { click, stats } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench, ['cam', 'later'], ['--on-eof', 'reopen', '--cors', '*']);
  server.feed('cam', { size: '320x240' });
  await server.live('cam');
});
after(() => bench.close());

/** A player in a page of the server, in place of the one that is there. */
const put = (page, attributes) => page.evaluate(attributes => {
  const player = document.createElement('h5-live');
  for (const [name, value] of Object.entries(attributes)) player.setAttribute(name, value);
  player.style.width = '400px';
  document.querySelector('main').replaceChildren(player);
}, attributes);

/** The width of the still picture that is shown; 0: none is. */
const poster = page => page.evaluate(() => {
  const image = document.querySelector('h5-live').shadowRoot.querySelector('[part=poster]');
  return image.checkVisibility() && image.complete ? image.naturalWidth : 0;
});
const shows = (page, width) => until(`a poster of ${width}`, async () => (await poster(page)) === width, 15000);
const plays = page => until('it plays', async () => (await stats(page)).state === 'playing', 20000);

for (const { name, open } of engines) {
  test(name, async t => {
    const { page, requests, close } = await open();
    t.after(close);
    await prepare(page);
    await page.goto(server.url('cam'));
    await plays(page);

    await t.test('where it plays at once, none is asked for', async () => {
      assert.deepEqual(requests.filter(url => /\.jpg/.test(url)), []);
    });

    await t.test('autoplay="none" shows the newest picture, and connects when somebody wants it', async () => {
      await put(page, { src: 'cam', muted: '', autoplay: 'none' });
      await shows(page, 320);
      assert.equal(await inside(page, 'shown', '.big'), true);
      assert.equal((await stats(page)).state, 'idle');
      await until('nobody watches', async () => (await server.stream()).viewers === 0);
      const [width, height] = await page.evaluate(() => [document.querySelector('h5-live').clientWidth, document.querySelector('h5-live').clientHeight]);
      assert.equal(Math.round(width / height * 100), 133, 'it has the shape of the picture');
      await click(page, '.big');
      await plays(page);
      assert.equal(await poster(page), 0);
    });

    await t.test('one that the page names is there until the first picture comes; none of a stream that has no picture', async () => {
      await put(page, { src: 'later', muted: '', poster: 'cam.jpg' });
      await shows(page, 320);
      await put(page, { src: 'later', muted: '', autoplay: 'none' });
      await until('it is refused', () => page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('[part=poster]').hidden), 15000);
      const asked = requests.filter(url => /cam\.jpg/.test(url)).length;
      await put(page, { src: 'cam', muted: '', autoplay: 'none', poster: 'none' });
      await until('the button', () => inside(page, 'shown', '.big'));
      assert.equal(await poster(page), 0);
      assert.equal(requests.filter(url => /cam\.jpg/.test(url)).length, asked);
    });
  });
}

test('where the browser plays nothing before a tap, the newest picture is there', async t => {
  const { page, close } = await chromium({ args: ['--autoplay-policy=document-user-activation-required'] });
  t.after(close);
  // Chromium plays what is muted: here it does not.
  const refuse = () => {
    let isRefused = true;
    const { play } = HTMLMediaElement.prototype;
    HTMLMediaElement.prototype.play = function () {
      return isRefused ? Promise.reject(new DOMException('not now', 'NotAllowedError')) : play.call(this);
    };
    addEventListener('pointerdown', () => (isRefused = false), true);
  };
  await page.addInitScript(refuse);
  const site = http.createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' })
    .end(`<!doctype html><title>elsewhere</title><body><script type="module" src="${server.url('h5live.js')}"></script><h5-live src="cam" transport="mp4" muted></h5-live>`));
  await new Promise(resolve => site.listen(0, '127.0.0.1', resolve));
  t.after(() => site.close());
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await until('it is blocked', async () => (await stats(page)).state === 'blocked', 15000);
  await shows(page, 320);
  await click(page, '.big');
  await plays(page);
  assert.equal(await poster(page), 0);
});
