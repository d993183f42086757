// HLS of low latency in the players that sites use: they begin, are as late as they say, and go on after what breaks. They play beside each other.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { players, playersPage, playing } from '../lib/hls.mjs';
import { readClock, watchClock } from '../lib/page.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;
let site;
let stages;
/** A picture this late is one of HLS without parts. */
const LATE_MS = 3500;

/** A few pictures a second: six players without a graphics card keep two processors busy, and an encoder that is late leaves pictures out. */
const feed = (size = '320x240') => server.feed('cam', { size, rate: '15' });

before(async () => {
  site = await playersPage();
  server = await Server.start(bench, ['cam'], ['--on-eof', 'reopen', '--cors', site.origin]);
  stages = feed();
  await server.live();
  await until('a segment', async () => (await fetch(server.url('cam/video.m3u8'))).ok, 20000);
});
after(async () => {
  site?.close();
  await bench.close();
});

/** All players of a page show new pictures; gives after how many ms each did. */
async function goOn(name, page, what, limit = 40000) {
  const before = await playing(page);
  const ids = Object.keys(before);
  let now = before;
  // A source of media that is made anew counts from zero.
  const shows = id => now[id].pictures > (now[id].pictures < before[id].pictures ? 0 : before[id].pictures) + 15 && now[id].state >= 2;
  const begun = Date.now();
  const times = {};
  await until(`${name}: after ${what} all play`, async () => {
    now = await playing(page);
    for (const id of ids) if (shows(id)) times[id] ??= Date.now() - begun;
    return ids.every(shows);
  }, limit).catch(async error => {
    throw new Error(`${error.message}: ${JSON.stringify({ before, now, faults: await page.evaluate(() => window.faults.slice(-10)) })}`);
  });
  console.log(`${name}, after ${what}: ${ids.map(id => `${id} ${times[id]} ms`).join(', ')}`);
}

/** One player alone: when it shows its first picture, and how late it is by the picture's own clock. */
async function measure(name, page, player) {
  await page.goto(site.url(server.url('cam/index.m3u8'), [player]));
  await goOn(name, page, 'the start');
  const [{ first }] = Object.values(await playing(page));
  await watchClock(page, 'video', 2);
  await sleep(2500);
  await readClock(page);
  await sleep(3000);
  const { p50, good, pictures } = await readClock(page);
  console.log(`${name}, ${player}: first picture ${Math.round(first)} ms, then ${Math.round(p50)} ms late (${pictures} pictures read, ${Math.round(100 * good)} % of them well)`);
  // Without low latency it is four seconds and more.
  assert.ok(p50 < LATE_MS, `${name}, ${player}: ${p50} ms`);
}

test('the players of others play HLS of low latency', async t => {
  const pages = await Promise.all(browsers.map(async ({ name, open }) => ({ name, ...(await open()) })));
  t.after(() => Promise.all(pages.map(({ close }) => close())));
  for (const { name, page } of pages) {
    for (const player of players) await measure(name, page, player);
    // What is not measured does not play meanwhile.
    await page.goto('about:blank');
  }
  for (const { name, page } of pages) {
    await page.goto(site.url(server.url('cam/index.m3u8')));
    await until('the players are there', async () => Object.keys(await playing(page)).length === players.length);
    await goOn(name, page, 'the start of all');
  }
  const each = (what, limit) => Promise.all(pages.map(({ name, page }) => goOn(name, page, what, limit)));

  stages[0].kill('SIGKILL');
  await Promise.all(stages.map(({ ended }) => ended));
  await sleep(6000);
  stages = feed();
  await server.live();
  await each('a source that was away for six seconds');

  stages[0].kill('SIGKILL');
  await Promise.all(stages.map(({ ended }) => ended));
  stages = feed('640x360');
  await server.live();
  await each('another size');
  for (const { name, page } of pages) await until(`${name}: the size is seen`, async () => Object.values(await playing(page)).every(({ width }) => width === 640), 30000);

  await server.kill();
  await Promise.all(stages.map(({ ended }) => ended));
  await server.run();
  stages = feed('640x360');
  await server.live();
  await each('a restart of everything', 60000);
  for (const { name, page } of pages) console.log(`${name}: ${JSON.stringify(await page.evaluate(() => window.faults))}`);
});
