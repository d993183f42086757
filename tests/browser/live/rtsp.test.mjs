// A network camera in the page, `h5cap rtsp://… | h5mux | h5serve`, with no encoder of ours: it plays, it says how old the picture is by the camera's clock, and it
// goes on in the same page when the camera comes back, with another picture size or codec. How soon h5cap is back is asked in tests/it/rtsp.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { Clock } from '../lib/faketime.mjs';
import { stats } from '../lib/page.mjs';
import { Bench, Server, freePort, idleMs, until } from '../lib/programs.mjs';

const SCRIPT = path.resolve(import.meta.dirname, '../../it/rtsp/camera.py');
/** As in tests/it/util.rs. */
const PASSWORD = 'kT9-s3cret#%?';
/** The camera's clock is so slow. It is believed up to 2 s, and the pictures are so much older by it. */
const SLOW_MS = 1000;
/** What a picture may take to the screen besides, on a busy machine. */
const LATEST_MS = 900;
/**
 * So soon a picture is back after the camera answers; on a busy machine, the time counts in which a processor had nothing to do. A page that could not play the stream
 * asks again at longer intervals.
 */
const BACK_MS = { all: 3000, idle: 1500 };
/** A player that has stalled on a machine that others use too may need so long until it is as live as before: live/recovery. */
const RIGHT_AGAIN_MS = 60000;

const answers = port => new Promise(resolve => {
  const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); }).on('error', () => resolve(false));
});

describe('a network camera', () => {
  const bench = new Bench();
  const pages = [];
  let server;
  let port;
  let camera;
  /** When the camera answered, and how long a processor had been idle by then, in ms. */
  let answered;

  /** The camera with this path and picture size, in place of the one before. */
  async function start(serve, size) {
    camera?.kill('SIGKILL');
    await camera?.ended;
    const clock = new Clock(path.join(bench.dir, 'camera.clock'));
    clock.set(`-${SLOW_MS / 1000}s`);
    camera = bench.start('/usr/bin/python3', [SCRIPT, String(port), `password=${PASSWORD}`, `serve=${serve}`, `size=${size}`], { clock });
    await until(`the camera answers: ${bench.log('python3')}`, () => answers(port));
    answered = { at: Date.now(), idle: idleMs() };
  }

  /** Waits until a page shows new pictures of this width, as old as the camera's clock says. */
  async function plays({ name, page }, t, width, isSoon) {
    const before = (await stats(page)).pictures ?? 0;
    const shown = () => stats(page).then(now => now.state === 'playing' && now.width === width && now.pictures > before && now);
    await until(`${name} plays: ${bench.log('h5cap')}`, shown, 20000);
    const [after, idle] = [Date.now() - answered.at, idleMs() - answered.idle];
    if (isSoon) assert.ok(after < BACK_MS.all || idle < BACK_MS.idle, `${name}: ${after} ms, ${idle} ms of it idle`);
    const now = await until(`${name} says how old the picture is`, async () => {
      const now = await shown();
      return now && now.latency > SLOW_MS && now.latency < SLOW_MS + LATEST_MS && now;
    }, RIGHT_AGAIN_MS).catch(async error => assert.fail(`${error.message}: ${JSON.stringify(await stats(page))}`));
    t.diagnostic(`${name}: ${now.codecs} by ${now.transport}, ${after} ms after the camera answered; ${Math.round(now.latency)} ms old by a clock that is ${SLOW_MS} ms slow`);
    assert.equal(await page.evaluate(() => window.mark), name, 'the page was not loaded again');
    return now;
  }

  /** The message in the place of the picture. */
  const said = page => page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('[part=message]:not([hidden])')?.textContent ?? '');

  const all = (t, width, isSoon = () => true) => Promise.all(pages.map(page => plays(page, t, width, isSoon(page))));

  before(async () => {
    [server, port] = [await Server.start(bench), await freePort()];
    await start('h264aac', '320x240');
    Object.assign(process.env, { H5CAP_USER: 'cam', H5CAP_PASSWORD: PASSWORD });
    bench.pipeline([['h5cap', '-v', `rtsp://127.0.0.1:${port}/h264aac`], ['h5mux']], server.inputs.cam);
    for (const name of ['H5CAP_USER', 'H5CAP_PASSWORD']) delete process.env[name];
    await server.live();
    pages.push(...await Promise.all(browsers.map(async ({ name, open }) => ({ name, ...(await open()) }))));
    for (const { name, page } of pages) {
      await page.goto(server.url('cam'));
      await page.evaluate(name => (window.mark = name), name);
    }
  });
  after(async () => {
    await Promise.all(pages.map(page => page.close()));
    if (process.env.H5LIVE_PRINTED) for (const name of ['h5cap', 'h5mux', 'h5serve']) fs.writeFileSync(path.join(process.env.H5LIVE_PRINTED, `browser.${name}`), bench.log(name));
    await bench.close();
  });

  test('H.264 and AAC play', async t => {
    await all(t, 320, () => false);
    assert.match(JSON.stringify(await server.stream()), /avc1\..*mp4a\.40\.2/);
  });

  test('it is killed, and comes back with another picture size', async t => {
    await start('h264aac', '480x360');
    await all(t, 480);
  });

  test('it comes back with H.265: who plays that plays it, the others say so in place of playing the sound alone', async t => {
    await start('h265aac', '240x180');
    for (const one of pages) {
      if (one.name === 'Firefox') assert.match((await plays(one, t, 240, true)).codecs, /hvc1|hev1/);
      else await until('the page says what it is', async () => /H\.265/.test(await said(one.page)), 20000);
    }
  });

  test('it comes back with H.264, in all pages', async t => {
    await start('h264aac', '320x240');
    await all(t, 320, ({ name }) => name === 'Firefox');
  });

  test('no page and no message has the password', async () => {
    const pagesAsText = await Promise.all(['', 'cam', 'api/streams'].map(at => fetch(server.url(at)).then(answer => answer.text())));
    for (const text of [...pagesAsText, bench.log('h5cap'), bench.log('h5mux'), bench.log('h5serve')]) assert.doesNotMatch(text, /s3cret/);
  });
});
