// The pages: many streams, dark and light, narrow and wide; the policy of the browser for sound; a page of somebody else's.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { chromium, engines, firefox } from '../lib/browsers.mjs';
import { faults } from '../lib/face.mjs';
import { playerIsThere, stats, video } from '../lib/page.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench, ['front', 'yard', 'later', 'jpg'], ['--on-eof', 'reopen', '--cors', '*', '--host', 'cam.test']);
  bench.pipeline([['h5cap', 'test', '--size', '320x240', '--rate', '10', '--no-audio'], ['h5enc', '--video', 'mjpeg']], server.inputs.jpg);
  server.feed('front');
  server.feed('yard', { size: '320x240', rate: '15' });
  await server.live('front');
  await server.live('yard');
  await server.live('jpg');
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
    await until('two play', async () => String(await states(page)) === 'front,playing,yard,playing,jpg,playing', 20000);
    assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('.offline li')].map(li => li.innerText.split('\n'))), [['later', 'waiting for its source']]);
    assert.equal(await page.evaluate(() => document.querySelector('h1').innerText), '3 live, 1 offline');
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
  await playerIsThere(page);
  await page.evaluate(() => (document.querySelector('h5-live').src = 'nowhere'));
  await until('the reason', async () => /no such stream/.test((await stats(page)).reason));
});

const text = (page, selector) => page.evaluate(selector => document.querySelector(selector)?.innerText.replace(/\s+/g, ' ').trim() ?? null, selector);

for (const { name, open } of engines) {
  test(`${name}: the page of a stream that is not there, in words and with the streams that are`, async t => {
    const { page, close } = await open();
    t.after(close);
    await page.goto(server.url('nowhere'));
    await until('the list', async () => (await text(page, '.offline li')) !== null);
    assert.equal(await text(page, 'h2'), 'There is no stream “nowhere” here');
    const rows = await page.evaluate(() => [...document.querySelectorAll('.offline a')].map(a => [a.querySelector('b').innerText, new URL(a.href).pathname]));
    assert.deepEqual(rows, [['front', '/front'], ['yard', '/yard'], ['later', '/later'], ['jpg', '/jpg']]);
    assert.equal(await page.evaluate(() => document.querySelectorAll('h5-live').length), 0);
    await shot(page, `missing-${name}`);
    await page.evaluate(() => setTimeout(() => document.querySelector('.offline a').click()));
    await until('the stream that was chosen plays', () => stats(page).then(({ state }) => state === 'playing', () => false), 20000);
    await shot(page, `one-${name}`);
  });
}

test('tools get a line for a stream that is not there, people a page in their language', async t => {
  const html = await fetch(server.url('nowhere'), { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
  assert.deepEqual([html.status, html.headers.get('content-type'), html.headers.get('cache-control')], [404, 'text/html; charset=utf-8', 'no-store']);
  assert.match(html.headers.get('content-security-policy'), /script-src 'self' 'sha256-/);
  for (const [at, accept] of [['nowhere', '*/*'], ['nowhere.mp4', 'video/*'], ['a/b', 'text/html']]) {
    const tool = await fetch(server.url(at), { headers: { Accept: accept } });
    assert.deepEqual([tool.status, tool.headers.get('content-type')], [404, 'text/plain; charset=utf-8'], at);
  }
  const { page, close } = await chromium({ language: 'zh-CN', size: [390, 780] });
  t.after(close);
  await page.goto(server.url('nowhere'));
  await until('the list', async () => (await text(page, '.offline li')) !== null);
  assert.equal(await text(page, 'h2'), '这里没有名为“nowhere”的视频流');
  assert.deepEqual(await faults(page), []);
  await shot(page, 'missing-phone-zh');
});

for (const { name, open } of engines) {
  test(`${name}: the page counts its own viewer, and names its other addresses, to be copied from the keyboard`, async t => {
    const { page, close } = await open();
    t.after(close);
    for (const [stream, forms] of [['yard', ['mp4']], ['jpg', ['mjpg', 'jpg']]]) {
      await page.goto(server.url(stream));
      await until('the picture', async () => (await stats(page)).state === 'playing', 20000);
      // Without waiting for the list to come a second time.
      await until('the viewer', async () => / · Viewers: 1$/.test(await text(page, '.about')), 3000);
      const addresses = await page.evaluate(() => [...document.querySelectorAll('.addresses a')].map(a => a.href));
      assert.deepEqual(addresses.map(a => new URL(a).pathname), forms.map(form => `/${stream}.${form}`));
      // What is copied is seen as it goes by: a browser without a screen keeps no clipboard.
      await page.evaluate(() => {
        window.copied = [];
        document.addEventListener('copy', e => window.copied.push(e.composedPath()[0].value ?? ''));
        const own = navigator.clipboard?.writeText;
        if (own) navigator.clipboard.writeText = text => (window.copied.push(text), Promise.resolve());
        document.querySelector('.addresses button').focus();
      });
      await page.keyboard.press('Enter');
      await until('it is copied', async () => (await page.evaluate(() => window.copied)).includes(addresses[0]));
      await until('it says so', async () => (await text(page, '.addresses [role=status]')) === 'Copied');
      assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), `Copy the address: ${stream === 'jpg' ? 'MJPEG' : 'MP4, endless'}`, 'the focus stays');
      await shot(page, `addresses-${name}-${stream}`);
    }
  });
}

test('addresses are copied where there is no clipboard, on a page by http from another computer; and what axe says of them', async t => {
  const { page, close } = await chromium({ args: ['--host-resolver-rules=MAP cam.test 127.0.0.1'] });
  t.after(close);
  await page.goto(server.url('jpg').replace('127.0.0.1', 'cam.test'));
  assert.equal(await page.evaluate(() => isSecureContext || Boolean(navigator.clipboard)), false);
  await until('the addresses', async () => (await text(page, '.addresses a')) !== null);
  await page.evaluate(() => document.addEventListener('copy', e => (window.copied = e.target.value)));
  await page.click('.addresses li:nth-child(2) button');
  await until('it says so', async () => (await text(page, '.addresses [role=status]')) === 'Copied');
  assert.equal(await page.evaluate(() => window.copied), server.url('jpg.jpg').replace('127.0.0.1', 'cam.test'));
  assert.deepEqual(await faults(page), []);
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
