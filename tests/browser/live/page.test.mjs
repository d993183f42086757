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
  server.feed('yard', { size: '320x240', rate: '15' });
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
    await until('two play', async () => String(await states(page)) === 'front,playing,yard,playing', 20000);
    assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('.offline li')].map(li => li.innerText.split('\n'))), [['later', 'waiting for its source']]);
    assert.equal(await page.evaluate(() => document.querySelector('h1').innerText), '2 live, 1 offline');
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
  const names = await page.evaluate(() => [...document.querySelector('h5-live').shadowRoot.querySelectorAll('button')].filter(b => b.checkVisibility()).map(b => [b.ariaLabel ?? b.innerText.split(/\s*\n/)[0].trim(), b.offsetWidth >= 44 && b.offsetHeight >= 44]));
  assert.deepEqual(names.map(n => n[0]).sort(), ['Full screen', 'LIVE', 'Pause', 'Picture in picture', 'Save a snapshot', 'Sound on', 'Statistics', 'Tap to unmute']);
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

/** A page on another server, with one script tag and one element. */
async function elsewhere(t, attributes) {
  const page = `<!doctype html><title>elsewhere</title><body><script type="module" src="${server.url('h5live.js')}"></script><h5-live src="front" ${attributes}></h5-live>`;
  const site = http.createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(page));
  await new Promise(resolve => site.listen(0, '127.0.0.1', resolve));
  t.after(() => site.close());
  return `http://127.0.0.1:${site.address().port}/`;
}

for (const [name, open] of [
  ['Chromium', () => chromium({ args: ['--autoplay-policy=document-user-activation-required'] })],
  ['Firefox', () => firefox({ prefs: { 'media.autoplay.default': 1, 'media.autoplay.blocking_policy': 0 } })],
]) {
  test(`${name}, in somebody else's page: sound that the browser refuses becomes a muted player, not a dead one`, async t => {
    const { page, close } = await open();
    t.after(close);
    await page.goto(await elsewhere(t, ''));
    // What a test asks inside of the page may count as a gesture: so the first seconds are left alone.
    await sleep(4000);
    await until('playing', async () => (await stats(page)).state === 'playing', 15000);
    const { muted, error } = await video(page);
    assert.deepEqual({ muted, error }, { muted: true, error: null });
    assert.equal((await stats(page)).sound, false);
  });
}

test('muted in the page of somebody else it takes video alone', async t => {
  const { page, close } = await chromium();
  t.after(close);
  await page.goto(await elsewhere(t, 'muted'));
  await until('playing', async () => (await stats(page)).state === 'playing');
  assert.match((await stats(page)).codecs, /^avc1\.[0-9A-Fa-f]{6}$/);
});

test('taken out of the document it lets go; moved within, it plays on', async t => {
  const { page, close } = await chromium();
  t.after(close);
  await page.goto(server.url('front'));
  await until('playing', async () => (await stats(page)).state === 'playing');
  const viewers = async () => (await server.stream('front')).viewers;
  const before = await page.evaluate(() => document.querySelector('h5-live').stats.pictures);
  await page.evaluate(() => document.body.append(document.querySelector('h5-live')));
  await until('more pictures', async () => (await stats(page)).pictures > before + 30);
  assert.equal((await stats(page)).reconnects, 0);
  assert.equal(await viewers(), 1);
  await page.evaluate(() => document.querySelector('h5-live').remove());
  await until('no viewer', async () => (await viewers()) === 0);
});
