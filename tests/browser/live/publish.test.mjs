// The page that sends a camera: Chromium's camera of its own, seen by a page that watches, across a restart of the server and of the page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium, firefox } from '../lib/browsers.mjs';
import { faults, prepare } from '../lib/face.mjs';
import { stats } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
const FAKE = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];
let server;

before(async () => (server = await Server.start(bench, [], ['--publish'])));
after(() => bench.close());

const state = page => page.evaluate(() => document.querySelector('.state').textContent);
const press = (page, text) => page.evaluate(text => [...document.querySelectorAll('button')].find(button => button.textContent === text).click(), text);

test('a camera is sent with one tap, and seen', async t => {
  const sender = await chromium({ args: FAKE, phone: true, size: [390, 844] });
  t.after(sender.close);
  const { page } = sender;
  await prepare(page);
  await page.goto(server.url('in/phone'));
  assert.equal(await until('it is ready', () => state(page)), 'Ready');
  assert.deepEqual(await faults(page), []);
  assert.ok(!sender.requests.some(url => url.includes('h5live.js')), 'nothing of the player is loaded');
  await press(page, 'Start');
  await until('it is live', async () => (await state(page)) === 'Live', 20000).catch(async error => assert.fail(`${error.message}: ${await state(page)} ${sender.errors}`));
  await server.live('phone');
  const stream = await server.stream('phone');
  t.diagnostic(JSON.stringify({ codecs: stream.codecs, width: stream.width, height: stream.height, fps: stream.fps }));
  assert.deepEqual(await faults(page), []);
  assert.match(await until('numbers', () => page.evaluate(() => document.querySelector('.numbers').textContent)), /Mbit\/s/);

  const viewer = await chromium();
  t.after(viewer.close);
  await viewer.page.goto(server.url('phone'));
  const pictures = async () => (await stats(viewer.page)).pictures ?? 0;
  await until('the viewer sees it', async () => (await pictures()) > 30, 30000).catch(async error => assert.fail(`${error.message}: ${JSON.stringify(await stats(viewer.page))}`));

  await t.test('the other camera and silence: the viewer stays', async () => {
    await press(page, 'Sound');
    await press(page, 'Front camera');
    await until('it is live again', async () => (await state(page)) === 'Live', 20000);
    const before = await pictures();
    await until('more pictures', async () => (await pictures()) > before + 15, 20000);
  });

  await t.test('the server is away and comes back', async () => {
    await server.kill();
    await until('the page says so', async () => (await state(page)).startsWith('Connection lost'), 20000);
    await server.run();
    await server.live('phone');
    assert.equal(await until('it is live', async () => (await state(page)) === 'Live' && 'Live', 20000), 'Live');
  });

  await t.test('stop', async () => {
    await press(page, 'Stop');
    assert.equal(await state(page), 'Stopped');
    await until('it waits for its publisher', async () => (await server.stream('phone')).state === 'waiting');
    assert.ok(await page.evaluate(() => document.querySelector('video').srcObject === null), 'the camera is let go');
  });
  assert.deepEqual(await page.evaluate(() => window.refused), []);
});

test('a name that is taken is said, in Chinese and in the dark too', async t => {
  const first = await chromium({ args: FAKE });
  t.after(first.close);
  await first.page.goto(server.url('in/taken'));
  await until('it is ready', async () => (await state(first.page)) === 'Ready');
  await press(first.page, 'Start');
  await server.live('taken');
  const second = await chromium({ args: FAKE, language: 'zh-CN', dark: true });
  t.after(second.close);
  await second.page.goto(server.url('in/taken'));
  await until('it is ready', async () => (await state(second.page)) === '准备就绪');
  assert.deepEqual(await faults(second.page), []);
  await press(second.page, '开始');
  await until('it is refused', async () => (await state(second.page)).startsWith('服务器不接受'), 20000);
});

test('what cannot be is said', async t => {
  // Firefox records VP8, which is not what every browser shows.
  const other = await firefox();
  t.after(other.close);
  await other.page.goto(server.url('in/fox'));
  const said = await until('it says something', () => state(other.page));
  assert.match(said, /cannot record H\.264/);
  assert.equal(await other.page.evaluate(() => document.querySelectorAll('button').length), 0);
});
