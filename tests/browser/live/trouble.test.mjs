// What a viewer sees under trouble, by the clock in the picture: a network that carries less than the stream, a slow processor, a hidden tab, a computer that
// sleeps. The picture is never older than a second for longer than three, it never stands still without a word, and in the end it comes by the best
// transport again. live/recovery has what breaks; live/decoder has decoders that fail.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { tabbed, webkit } from '../lib/browsers.mjs';
import { stats, useTransport, watchClock } from '../lib/page.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';
import { NarrowRelay, signalTree } from '../lib/relay.mjs';
import { fault, sights, watchSights } from '../lib/trouble.mjs';

/** A silent player in a hidden tab closes its connection after this time; here a tenth of it is enough. */
const PARK_MS = { own: 30_000, here: 3000 };
const SLEEP_MS = 10_000;
/** A decoder that gave nothing for a second, as on a machine without a free processor, is tried again after a minute. */
const BACK_MS = 90_000;
/** What plays at one time, each with its transport. Two browsers are as much as two processors can do in time. */
const ROUNDS = [
  tabbed.map(browser => ({ ...browser, transport: 'auto' })),
  tabbed.map(browser => ({ ...browser, transport: 'mse' })),
  // Its driver can hide no page of WebKitGTK.
  [{ name: 'WebKit', open: webkit, transport: 'auto', noTabs: true }],
];
const LABELS = { auto: 'WebCodecs', mse: 'MSE' };

for (const round of ROUNDS) describe(round.map(({ name, transport }) => `${name} by ${LABELS[transport]}`).join(', '), () => {
  const bench = new Bench();
  let server;
  let pages = [];

  before(async () => {
    server = await Server.start(bench);
    bench.pipeline([['h5cap', 'test', '--size', '640x360', '--rate', '30'], ['h5enc', '--quality', '100'], ['h5mux']], server.inputs.cam);
    await server.live();
    pages = await Promise.all(round.map(async ({ open, ...known }) => ({ ...known, relay: await NarrowRelay.start(server.port), ...(await open()) })));
    for (const { name, page, relay, transport } of pages) {
      page.direct?.();
      await page.goto(server.url('cam').replace(server.port, relay.port));
      if (transport !== 'auto') await useTransport(page, transport);
      let now;
      await until(`${name} plays`, async () => {
        now = await stats(page);
        return now.pictures > 60 && now.transport === LABELS[transport];
      }, 60000).catch(error => assert.fail(`${error.message}: ${JSON.stringify(now)}`));
      await watchClock(page, 'h5-live', transport === 'mse' ? 10 : 1);
      await watchSights(page);
    }
  });
  after(async () => {
    for (const { relay } of pages) relay.close();
    await Promise.all(pages.map(({ close }) => close()));
    await bench.close();
  });

  const each = run => Promise.all(pages.map(run));

  /** Lets something happen, and sees that it was no more than is allowed, and that all is well in the end. */
  async function trouble(t, what, happen, { of = pages } = {}) {
    await each(({ page }) => sights(page));
    await happen();
    await Promise.all(of.map(async ({ name, page, transport }) => {
      const { pictures } = await stats(page);
      await until(`${name} plays on`, async () => {
        const now = await stats(page);
        return now.state === 'playing' && now.transport === LABELS[transport] && now.pictures > pictures + 15;
      }, BACK_MS);
      assert.equal((await stats(page)).why, transport === 'auto' ? 'best here' : 'asked for');
      const seen = await sights(page);
      t.diagnostic(`${name}, ${what}: ${seen.ages.p50} ms old at the median, ${seen.ages.max} at most, older than a second for ${seen.late} ms; still for ${seen.stood} ms; ${seen.dropped} left out; ${seen.states}; processors idle ${seen.idle}`);
      assert.equal(fault(seen), '', `${name}: ${JSON.stringify(seen)}`);
    }));
  }

  test('a network that carries 30 % too little, then 3 %', async t => {
    const bytes = () => each(async ({ page }) => (await stats(page)).bytes);
    const [begun, first] = [Date.now(), await bytes()];
    await sleep(2000);
    const rates = (await bytes()).map((count, i) => (1000 * (count - first[i])) / (Date.now() - begun));
    const before = await each(async ({ page }) => (await stats(page)).dropped);
    // How the server finds it is the same for all: the first round has both.
    for (const [part, ms] of round === ROUNDS[0] ? [[0.7, 9000], [0.97, 6000]] : [[0.7, 6000]]) {
      await trouble(t, `${part} of the stream`, async () => {
        pages.forEach(({ relay }, i) => relay.carry(Math.round(part * rates[i])));
        await sleep(ms);
      });
    }
    for (const [i, { name, page, relay }] of pages.entries()) {
      relay.carry(0);
      assert.ok((await stats(page)).dropped > before[i], `${name} is told what was left out`);
    }
    await trouble(t, 'the network is as before', async () => {});
  });

  // The protocol of Firefox has no such thing.
  test('a processor that is four times as slow', { skip: !round.every(({ transport, noTabs }) => transport === 'auto' && !noTabs) && 'it is the same for each transport' }, async t => {
    const [chromium] = pages;
    await trouble(t, 'slow processor', async () => {
      await chromium.page.emulateCPUThrottling(4);
      await sleep(5000);
      await chromium.page.emulateCPUThrottling(null);
    }, { of: [chromium] });
  });

  test('a tab that is hidden until its connection is closed', { skip: round.some(({ noTabs }) => noTabs) && 'no tabs' }, async t => {
    await each(({ page }) => page.evaluate(({ own, here }) => {
      const { setTimeout } = window;
      window.setTimeout = (run, ms, ...more) => setTimeout(run, ms === own ? here : ms, ...more);
    }, PARK_MS));
    await trouble(t, 'hidden', async () => {
      const others = await each(({ page }) => page.browser().newPage());
      await Promise.all(others.map(other => other.bringToFront()));
      await until('the connections are closed', async () => (await server.stream()).viewers === 0);
      await Promise.all(others.map(other => other.close()));
      await each(({ page }) => page.bringToFront());
      for (const { name, page } of pages) await until(`${name} is seen`, () => page.evaluate(() => !document.hidden));
    });
  });

  test('a computer that sleeps', async t => {
    await trouble(t, 'sleep', async () => {
      for (const { pid } of pages) signalTree(pid, 'SIGSTOP');
      await sleep(SLEEP_MS);
      for (const { pid } of pages) signalTree(pid, 'SIGCONT');
    });
  });
});
