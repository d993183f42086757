// The pages: many streams, dark and light, narrow and wide; the policy of the browser for sound; a page of somebody else's.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { chromium, firefox } from '../lib/browsers.mjs';
import { stats, video } from '../lib/page.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench, ['front', 'yard', 'later'], ['--on-eof', 'reopen', '--cors', '*']);
  server.feed('front');
  server.feed('yard', { cap: ['--rate', '15', '--size', '320x240'] });
  await server.live('front');
  await server.live('yard');
});
after(() => bench.close());

async function shot(page, name) {
  if (!process.env.H5LIVE_SHOTS) return;
  fs.mkdirSync(process.env.H5LIVE_SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(process.env.H5LIVE_SHOTS, `${name}.png`) });
}

const states = page => page.evaluate(() => [...document.querySelectorAll('h5-live')].map(e => [e.src, e.state]));

test('the page of all streams plays each, and says which one is not there yet', async t => {
  for (const [dark, size] of [[false, [1200, 800]], [true, [390, 780]]]) {
    const { page, close, errors } = await chromium({ dark, size });
    t.after(close);
    await page.goto(server.url());
    await until('two play, one waits', async () => String(await states(page)) === 'front,playing,yard,playing,later,waiting', 20000);
    await sleep(1500);
    await shot(page, `grid-${dark ? 'dark-phone' : 'light'}`);
    assert.deepEqual(errors, []);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!wide, 'nothing to scroll sideways');
  }
});

test('one stream, with its buttons', async t => {
  const { page, close } = await chromium({ dark: true });
  t.after(close);
  await page.goto(server.url('front'));
  await until('playing', async () => (await stats(page)).state === 'playing');
  await sleep(3000);
  await page.mouse.move(500, 300);
  await page.mouse.move(510, 300);
  await sleep(400);
  await shot(page, 'one-dark');
  const names = await page.evaluate(() => [...document.querySelector('h5-live').shadowRoot.querySelectorAll('button')].filter(b => b.checkVisibility()).map(b => [b.ariaLabel, b.offsetWidth >= 44 && b.offsetHeight >= 44]));
  assert.deepEqual(names.map(n => n[0]).sort(), ['Full screen', 'Picture in picture', 'Tap to unmute']);
  assert.ok(names.every(n => n[1]), 'large enough for a finger');
  await page.dblclick('h5-live');
  await until('full screen', () => page.evaluate(() => document.fullscreenElement?.localName === 'h5-live'));
});

test('a name that is not there is answered with 404, and the player of it says why', async t => {
  assert.equal((await fetch(server.url('nowhere'))).status, 404);
  const { page, close } = await chromium();
  t.after(close);
  await page.goto(server.url('front'));
  await page.evaluate(() => (document.querySelector('h5-live').src = 'nowhere'));
  await until('the reason', async () => /no such stream/.test((await stats(page)).reason));
});

for (const [name, open] of [
  ['Chromium', () => chromium({ args: ['--autoplay-policy=document-user-activation-required'] })],
  ['Firefox', () => firefox({ prefs: { 'media.autoplay.default': 1, 'media.autoplay.blocking_policy': 0 } })],
]) {
  test(`${name}: sound that the browser refuses becomes a muted player, not a dead one`, async t => {
    const { page, close } = await open();
    t.after(close);
    await page.goto(server.url('api/streams'));
    // From the page's own script: what a test runner evaluates counts as a gesture.
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.type = 'module';
      script.src = '/h5live.js';
      document.head.append(script);
      document.body.replaceChildren(document.createElement('h5-live'));
      document.body.firstChild.setAttribute('src', 'front');
    });
    await until('playing', async () => (await stats(page)).state === 'playing', 15000);
    if (name === 'Firefox') assert.equal((await video(page)).muted, true);
    assert.equal((await video(page)).error, null);
  });
}

test('one script tag puts it into a page of somebody else', async t => {
  const page = `<!doctype html><title>elsewhere</title><body><script type="module" src="${server.url('h5live.js')}"></script><h5-live src="front" muted></h5-live>`;
  const elsewhere = http.createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(page));
  await new Promise(resolve => elsewhere.listen(0, '127.0.0.1', resolve));
  t.after(() => elsewhere.close());
  const browser = await chromium();
  t.after(browser.close);
  await browser.page.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
  await until('playing', async () => (await stats(browser.page)).state === 'playing');
});

test('taken out of the document it lets go; moved within, it plays on', async t => {
  const { page, close } = await chromium();
  t.after(close);
  await page.goto(server.url('front'));
  await until('playing', async () => (await stats(page)).state === 'playing');
  const viewers = async () => (await server.streams()).find(s => s.name === 'front').viewers;
  const before = await page.evaluate(() => document.querySelector('h5-live').stats.pictures);
  await page.evaluate(() => document.body.append(document.querySelector('h5-live')));
  await until('more pictures', async () => (await stats(page)).pictures > before + 30);
  assert.equal((await stats(page)).reconnects, 0);
  assert.equal(await viewers(), 1);
  await page.evaluate(() => document.querySelector('h5-live').remove());
  await until('no viewer', async () => (await viewers()) === 0);
});
