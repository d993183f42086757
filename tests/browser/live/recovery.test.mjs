// What breaks comes back without a reload of the page, and as live as before, over each transport. How soon it is as live as before is a matter
// of the controller: player/test/controller.test.mjs has it within 3 s on a simulated clock, after freezes, stalls and hidden tabs. Here
// the order of events counts: something breaks, new pictures come, the latency is what it was.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { tabbed, webkit } from '../lib/browsers.mjs';
import { playerIsThere } from '../lib/page.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';
import { Relay, signalTree } from '../lib/relay.mjs';

/** Two frames more than before are as before. */
const TOLERANCE_MS = 70;
/** A player that was less late than this by chance is not held to it. */
const USUAL_MS = 70;
/** WebKitGTK without a graphics card shows a few pictures a second on a busy machine: what it says of latency is as coarse. */
const COARSE_MS = 250;
/** The page's figure is the median of its last 15 pictures: it is that of new pictures after so many. */
const NEW_PICTURES = 16;
/** What is said over so long a time counts. */
const SPAN_MS = 600;
/** MSE forgets after 20 s without a stall what stalls have taught it, and a machine that others use too may teach it twice. */
const LIVE_AGAIN_MS = 60000;
/**
 * What plays at one time. A margin of MSE is learned from stalls, and two browsers with three players each keep two processors without a
 * graphics card so busy that they stall by themselves: so it has a browser, and the machine, to itself.
 */
const ROUNDS = [
  ...tabbed.map(browser => ({ browsers: [browser], players: [['cam', 'mse']] })),
  { browsers: tabbed, players: [['cam', 'webcodecs'], ['jpg', 'mjpeg']] },
  // The driver of WebKitGTK opens new tabs behind the first one and brings none to the front: no page of it can be hidden.
  { browsers: [{ name: 'WebKit', open: webkit }], players: [['cam', 'mse']], noTabs: true },
];
const NAMES = { mse: 'MSE', webcodecs: 'WebCodecs', mjpeg: 'MJPEG' };
for (const { browsers, players, noTabs = false } of ROUNDS) describe(`${browsers.map(b => b.name).join(' and ')}: ${players.map(([, transport]) => NAMES[transport]).join(', ')}`, () => {
  const bench = new Bench();
  let server;
  let relay;
  let pages = [];
  let stages;
  let pictures;
  /** How late each player of each page was when it had come back the last time, or was at first. */
  const usual = [];

  const feed = (size = '320x240') => server.feed('cam', { size });
  const feedPictures = () => bench.pipeline([['h5cap', 'test', '--size', '320x240', '--rate', '30', '--no-audio'], ['h5enc', '--video', 'mjpeg']], server.inputs.jpg);

  before(async () => {
    server = await Server.start(bench, ['cam', 'jpg']);
    [stages, pictures] = [feed(), feedPictures()];
    await server.live('cam');
    await server.live('jpg');
    relay = await Relay.start(server.port);
    pages = await Promise.all(browsers.map(async ({ name, open }) => ({ name, ...(await open()) })));
    for (const { page } of pages) {
      await page.goto(server.url('cam').replace(server.port, relay.port));
      await playerIsThere(page);
      await page.evaluate(watch, players);
    }
    for (const { name, page } of pages) {
      await until(`${name} plays for a while`, async () => (await asLate(page, 0, 2 * SPAN_MS)).every(Number.isFinite), 20000);
      usual.push(await asLate(page, 0, SPAN_MS));
    }
  });
  after(async () => {
    relay?.close();
    await Promise.all(pages.map(page => page.close()));
    await bench.close();
  });

  /** In the page: a player for each transport, and a note of each of them twenty times a second. */
  function watch(players) {
    document.querySelector('main').replaceChildren(...players.map(([src, transport]) => {
      const element = document.createElement('h5-live');
      for (const [name, value] of Object.entries({ src, transport, muted: '' })) element.setAttribute(name, value);
      return element;
    }));
    window.notes = players.map(() => []);
    setInterval(() => document.querySelectorAll('h5-live').forEach((element, i) => {
      const { pictures, latency, state, transport, width, reconnects } = element.stats;
      window.notes[i].push({ at: Date.now(), pictures, latency, state, transport, width, reconnects });
    }), 50);
  }

  const notes = page => page.evaluate(() => window.notes.map(list => list.slice(-600)));

  /**
   * How late each player of a page is: the median of what it said in the last `span` ms. Null while it has not said so much, of new pictures, since
   * `since`.
   */
  const asLate = (page, since, span) => page.evaluate(([since, span, fresh]) => window.notes.map(list => {
    const after = list.filter(n => n.at >= since);
    if (after.length === 0) return null;
    const from = after.findIndex(n => n.latency !== null && n.pictures > after[0].pictures + fresh);
    if (from < 0 || after.at(-1).at - after[from].at < span) return null;
    const said = after.slice(from).filter(n => n.at > after.at(-1).at - span && n.latency !== null).map(n => n.latency);
    return said.sort((a, b) => a - b)[said.length >> 1] ?? null;
  }), [since, span, NEW_PICTURES]);

  /** Lets something happen to all players, and sees them come back: each shows new pictures, and is then as late as before. */
  async function comesBack(t, happen) {
    await happen();
    const over = Date.now();
    await Promise.all(pages.map(async ({ name, page }, p) => {
      const first = await until(`${name} shows new pictures: ${JSON.stringify(await lastNotes(page))}`, async () => {
        const lists = (await notes(page)).map(list => list.filter(n => n.at >= over));
        const found = lists.map(list => list.find(n => n.pictures > list[0].pictures + 1)?.at);
        return found.every(Boolean) && found;
      }, 20000);
      let now = [];
      const tolerance = name === 'WebKit' ? COARSE_MS : TOLERANCE_MS;
      const asBefore = async () => {
        now = await asLate(page, over, SPAN_MS);
        return now.every((late, i) => late !== null && late < Math.max(usual[p][i], USUAL_MS) + tolerance);
      };
      await until(`${name} is as late as before`, asBefore, LIVE_AGAIN_MS).catch(error => assert.fail(`${error.message}: ${now} ms, before ${usual[p]}`));
      const back = Date.now();
      players.forEach(([, transport], i) => {
        t.diagnostic(`${name}, ${transport}: first picture after ${first[i] - over} ms; ${back - first[i]} ms later ${Math.round(now[i])} ms late, before ${Math.round(usual[p][i])}`);
      });
      usual[p] = now;
    }));
    await until('all play', () => all(n => n.state === 'playing'));
  }

  const lastNotes = page => notes(page).then(lists => lists.map(list => list.at(-1)));
  const all = async what => (await Promise.all(pages.map(({ page }) => lastNotes(page)))).flat().every(what);

  test('each plays over its own transport', async () => {
    await until('all play', () => all(n => n.state === 'playing'));
    for (const { page } of pages) assert.deepEqual((await lastNotes(page)).map(n => n.transport), players.map(([, transport]) => NAMES[transport]));
  });

  test('a network that stands still until the connection is given up, and the next one stands still too', async t => {
    await comesBack(t, async () => {
      relay.freeze();
      await until('the pages say so', () => all(n => n.state !== 'playing'));
      await until('the pages give the connection up', () => all(n => n.state === 'reconnecting'));
      await sleep(2000);
      relay.thaw();
    });
  });

  test('a tab that is hidden for six seconds', { skip: noTabs && 'no tabs' }, async t => {
    await comesBack(t, async () => {
      const others = await Promise.all(pages.map(({ page }) => page.browser().newPage()));
      await Promise.all(others.map(other => other.bringToFront()));
      for (const { name, page } of pages) await until(`${name} is hidden`, () => page.evaluate(() => document.hidden));
      await sleep(6000);
      await Promise.all(others.map(other => other.close()));
      await Promise.all(pages.map(({ page }) => page.bringToFront()));
      for (const { name, page } of pages) await until(`${name} is seen`, () => page.evaluate(() => !document.hidden));
    });
  });

  test('a computer that sleeps for six seconds', async t => {
    await comesBack(t, async () => {
      // From 4 s on the player takes a pause for sleep.
      for (const { pid } of pages) signalTree(pid, 'SIGSTOP');
      await sleep(6000);
      for (const { pid } of pages) signalTree(pid, 'SIGCONT');
    });
  });

  test('a server that hangs for four seconds', async t => {
    await comesBack(t, async () => {
      server.process.kill('SIGSTOP');
      await sleep(4000);
      server.process.kill('SIGCONT');
    });
  });

  test('a server killed and started again', async t => {
    await comesBack(t, async () => {
      await server.kill();
      await until('the pages say so', () => all(n => n.state === 'reconnecting'));
      // A writer that outlives its reader would go on in the middle of its stream.
      await Promise.all([...stages, ...pictures].map(stage => stage.ended));
      await server.run();
      [stages, pictures] = [feed(), feedPictures()];
      await server.live('cam');
      await server.live('jpg');
    });
    assert.ok(await all(n => n.reconnects >= 1));
  });

  for (const [i, stage] of ['h5cap', 'h5enc', 'h5mux'].entries()) {
    // Which of them it was the page cannot see: the round with most pages has all three.
    if (i > 0 && players.length === 1) continue;
    test(`${stage} killed, its pipeline started again: the same connection plays on`, async t => {
      const before = (await Promise.all(pages.map(({ page }) => lastNotes(page)))).flat().map(n => n.reconnects);
      await comesBack(t, async () => {
        stages[i].kill('SIGKILL');
        await Promise.all(stages.map(s => s.ended));
        stages = feed();
        await server.live('cam');
      });
      assert.deepEqual((await Promise.all(pages.map(({ page }) => lastNotes(page)))).flat().map(n => n.reconnects), before);
    });
  }

  test('the next writer has another picture size', async t => {
    const sizes = [['640x360', 640], ['320x240', 320], ['480x270', 480]].values();
    await comesBack(t, async () => {
      stages[0].kill('SIGTERM');
      await Promise.all(stages.map(s => s.ended));
      const [size, width] = sizes.next().value;
      stages = feed(size);
      await until('the new size', async () => (await Promise.all(pages.map(({ page }) => lastNotes(page)))).every(list => list.every((n, i) => players[i][0] !== 'cam' || n.width === width)), 20000);
    });
  });

  test('all in the same pages as at the start', async () => {
    for (const { page } of pages) assert.equal(await page.evaluate(() => window.notes.length), players.length);
  });
});
