// HLS of low latency in the players that sites use: each begins, and is as late as is printed here.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { players, playersPage, playing } from '../lib/hls.mjs';
import { readClock, watchClock } from '../lib/page.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;
let site;
let source;
/** A picture this late is one of HLS without parts. */
const LATE_MS = 8000;
/** Each is to play within 2 s, on a machine that has little else to do. */
const BEGUN_MS = 6000;
/** Pictures a second of the source: an encoder that is late on a full machine leaves some out. */
const RATE = 15;
/** For so long the source is away. */
const AWAY_MS = 10000;

before(async () => {
  site = await playersPage();
  server = await Server.start(bench, ['cam', 'young'], ['--on-eof', 'reopen', '--cors', site.origin]);
  source = feed('320x240');
  await server.live();
  await until('a segment', async () => (await fetch(server.url('cam/video.m3u8'))).ok, 20000);
});
after(async () => {
  site?.close();
  await bench.close();
});

const feed = (size, name = 'cam') => server.feed(name, { size, rate: String(RATE) });

async function endSource() {
  for (const program of source) program.kill('SIGTERM');
  await Promise.all(source.map(program => program.ended));
}

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
    const playlist = await (await fetch(server.url('cam/video.m3u8'))).text();
    throw new Error(`${error.message}: ${JSON.stringify({ before, now, faults: await page.evaluate(() => window.faults.slice(-10)), playlist })}`);
  });
  console.log(`${name}, after ${what}: ${ids.map(id => `${id} ${times[id]} ms`).join(', ')}`);
}

/** One player alone: when it plays, how late it is by the picture's own clock, and whether it shows all pictures. */
async function measure(name, page, player) {
  await page.goto(site.url(server.url('cam/index.m3u8'), [player]));
  await goOn(name, page, 'the start');
  const [{ first, pictures: before }] = Object.values(await playing(page));
  const begun = Date.now();
  await watchClock(page, 'video', 2);
  await sleep(2500);
  await readClock(page);
  await sleep(3000);
  const { p50, good, pictures } = await readClock(page);
  const rate = (Object.values(await playing(page))[0].pictures - before) / (Date.now() - begun) * 1000;
  const what = `${name}, ${player}: plays after ${Math.round(first)} ms, then ${Math.round(p50)} ms late, ${rate.toFixed(1)} pictures a second (${pictures} read, ${Math.round(100 * good)} % of them well)`;
  console.log(what);
  assert.ok(first < BEGUN_MS, what);
  // Without low latency it is nine seconds and more: that is told on a full machine too.
  assert.ok(p50 < LATE_MS, what);
  // A player that loses what does not begin with a keyframe shows less than a third.
  assert.ok(rate > RATE / 2, what);
}

/** Our own page, beside them. */
async function measureOurs(name, page) {
  await page.goto(server.url('cam'));
  const first = await until(`${name}: our page plays`, () => page.evaluate(() => window.firstPicture), BEGUN_MS);
  await watchClock(page, 'h5-live', 2);
  await sleep(2500);
  await readClock(page);
  await sleep(3000);
  const { p50, pictures } = await readClock(page);
  const what = `${name}, our own page: plays after ${Math.round(first)} ms, then ${Math.round(p50)} ms late (${pictures} read)`;
  console.log(what);
  assert.ok(p50 < LATE_MS, what);
}

test('the players of others play HLS of low latency', async t => {
  const pages = await Promise.all(browsers.map(async ({ name, open }) => ({ name, ...(await open()) })));
  t.after(() => Promise.all(pages.map(({ close }) => close())));
  for (const { name, page } of pages) {
    for (const player of players) await measure(name, page, player);
    await measureOurs(name, page);
  }
});

test('they play a stream that has just begun', async t => {
  const pages = await Promise.all(browsers.map(async ({ name, open }) => ({ name, ...(await open()) })));
  t.after(() => Promise.all(pages.map(({ close }) => close())));
  const young = feed('320x240', 'young');
  t.after(() => young.forEach(program => program.kill('SIGTERM')));
  await server.live('young');
  // Nothing of it is a whole segment: the playlist is there when one is.
  await Promise.all(pages.map(({ page }) => page.goto(site.url(server.url('young/index.m3u8'), players))));
  await Promise.all(pages.map(({ name, page }) => goOn(name, page, 'the beginning of a stream')));
  for (const { name, page } of pages) {
    const times = Object.entries(await playing(page)).map(([id, { first }]) => `${id} ${Math.round(first)} ms`);
    console.log(`${name}, a stream that has just begun: plays after ${times.join(', ')}`);
    // Those of shaka-player's own have numbers.
    const faults = await page.evaluate(() => window.faults.filter(fault => /^shaka: \D/.test(fault)));
    assert.deepEqual(faults, [], name);
  }
});

test('they go on when the source was away, when it comes in another size, and when h5serve was restarted', async t => {
  const pages = await Promise.all(browsers.map(async ({ name, open }) => ({ name, ...(await open()) })));
  t.after(() => Promise.all(pages.map(({ close }) => close())));
  const all = what => Promise.all(pages.map(({ name, page }) => goOn(name, page, what, 60000)));
  await Promise.all(pages.map(({ page }) => page.goto(site.url(server.url('cam/index.m3u8'), players))));
  await all('the start');
  await endSource();
  await sleep(AWAY_MS);
  source = feed('320x240');
  await all('a break of ten seconds');
  await endSource();
  source = feed('480x360');
  await all('a change of size');
  const isWide = () => Promise.all(pages.map(({ page }) => playing(page))).then(found => found.flatMap(Object.values).every(({ width }) => width === 480));
  await until('all show the new size', isWide, 20000);
  await server.kill();
  await server.run();
  await endSource();
  source = feed('480x360');
  await all('a restart of h5serve');
});
