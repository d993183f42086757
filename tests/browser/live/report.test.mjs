// What the player reports, as whoever runs the server sees it: /stats, /metrics and the log of events.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { stats } from '../lib/page.mjs';
import { Bench, Server, freePort, sleep, until } from '../lib/programs.mjs';

const bench = new Bench();
const log = path.join(bench.dir, 'events');
let server;
let control;

before(async () => {
  control = await freePort();
  server = await Server.start(bench, ['cam'], ['--on-eof', 'reopen', '--control', String(control), '--events', log]);
  server.feed();
  await server.live();
});
after(() => bench.close());

const ask = async at => (await fetch(`http://127.0.0.1:${control}/${at}`)).text();
const viewers = async () => JSON.parse(await ask('stats')).viewers;
const events = () => fs.readFileSync(log, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line));

for (const { name, open } of engines) {
  test(name, async t => {
    const browser = await open();
    const { page, errors } = browser;
    t.after(() => browser.close());
    await page.goto(server.url('cam'));
    await until('the first picture', () => page.evaluate(() => window.firstPicture));
    let id;

    await t.test('its latency is in the list of viewers and in the histogram', async () => {
      // On a full machine a decoder that has just begun may be some seconds late.
      const settled = v => v.player?.latency_ms > 0 && v.player.latency_ms < 2000;
      const viewer = await until('a report with a latency', async () => (await viewers()).find(settled), 20000);
      id = viewer.id;
      assert.equal(viewer.stream, 'cam');
      assert.equal(viewer.transport, 'mse');
      assert.equal(viewer.player.transport, 'WebCodecs');
      assert.match(viewer.remote, /^127\.0\.0\.1:\d+$/);
      assert.ok(viewer.bytes > 10000, JSON.stringify(viewer));
      const shown = (await stats(page)).latency;
      t.diagnostic(`reported ${viewer.player.latency_ms} ms, the page says ${Math.round(shown)} ms`);
      const counted = Number(/player_latency_seconds_count{stream="cam"} (\d+)/.exec(await ask('metrics'))[1]);
      assert.ok(counted >= 1, `${counted}`);
    });

    await t.test('a network that hangs is a stall at this viewer, of that length', async () => {
      await until('it plays', async () => (await stats(page)).state === 'playing');
      const told = events().length;
      server.process.kill('SIGSTOP');
      await until('the page says that the picture stands', async () => (await stats(page)).state === 'stalled');
      await sleep(3000);
      server.process.kill('SIGCONT');
      // The page gives a connection up after five seconds. On a busy machine it may have come to that: then its next connection tells the stall, and
      // is another viewer. The page is the only one here.
      const stall = await until('the stall is told', () => events().slice(told).find(e => e.event === 'stall' && e.seconds > 2), 20000);
      id = stall.viewer;
      t.diagnostic(`a stall of ${stall.seconds} s`);
      assert.equal(stall.by, 'player');
      assert.ok(stall.seconds < 20, `${stall.seconds}`);
      assert.match(await ask('metrics'), /player_stall_seconds_bucket{stream="cam",le="\+Inf"} [1-9]/);
    });

    await t.test('another transport is another viewer, and reports too', async () => {
      await page.evaluate(() => (document.querySelector('h5-live').transport = 'mse'));
      // One comes each five seconds, and the first may be before there is a latency.
      const viewer = await until('a report of MSE', async () => (await viewers()).find(v => v.id > id && v.player?.transport === 'MSE' && v.player.latency_ms), 20000);
      await until('the one before has left', () => events().find(e => e.event === 'leave' && e.viewer === id));
      id = viewer.id;
    });

    await t.test('it comes and goes in the log', async () => {
      await page.goto('about:blank');
      const leave = await until('it has left', () => events().find(e => e.event === 'leave' && e.viewer === id));
      assert.ok(leave.bytes > 10000 && leave.seconds > 3, JSON.stringify(leave));
      const join = events().find(e => e.event === 'join' && e.viewer === id);
      assert.ok(join.stream === 'cam' && join.time < leave.time, JSON.stringify(join));
      assert.deepEqual(errors, []);
    });
  });
}
