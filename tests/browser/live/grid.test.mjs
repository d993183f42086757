// The page of many streams: it plays what is seen, lists what is offline, and follows both.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browsers, engines } from '../lib/browsers.mjs';
import { prepare } from '../lib/face.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const NAMES = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6'];
const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench, [...NAMES, 'late', 'never']);
  // One small picture for all of them.
  bench.pipeline([['h5cap', 'test', '--size', '160x90', '--rate', '10', '--no-audio'], ['h5enc'], ['h5mux'], ['tee', ...NAMES.map(name => server.inputs[name])]], '/dev/null');
  for (const name of NAMES) await server.live(name);
});
after(() => bench.close());

const tiles = async page => Object.fromEntries(await page.evaluate(() => [...document.querySelectorAll('figure')].map(figure => [figure.dataset.name, figure.querySelector('h5-live').state])));
const watched = async () => {
  const all = await (await fetch(server.url('api/streams'))).json();
  return NAMES.filter(name => all[name].viewers > 0).join();
};
const offline = page => page.evaluate(() => [...document.querySelectorAll('.offline li')].map(li => li.innerText.replace(/\s+/g, ' ').trim()));

for (const { name, open } of engines) {
  test(name, async t => {
    // One column, of which two pictures and the beginning of a third fit into the window.
    const { page, requests, errors, close } = await open({ size: [500, 760] });
    t.after(close);
    await prepare(page);
    await page.goto(server.url());

    await t.test('it plays what can be seen', async () => {
      await until('the first ones play', async () => { const now = await tiles(page); return now.c1 === 'playing' && now.c2 === 'playing'; }, 15000);
      const now = await tiles(page);
      assert.deepEqual(Object.keys(now), NAMES);
      assert.deepEqual([now.c5, now.c6], ['idle', 'idle']);
      assert.doesNotMatch(await watched(), /c5|c6/);
      // So many canvases are for as many processors.
      const { cores, first } = await page.evaluate(() => ({ cores: navigator.hardwareConcurrency, first: document.querySelector('[data-name=c1] h5-live').stats }));
      assert.deepEqual([first.transport, first.why], cores < 6 ? ['MSE', 'WebCodecs: there are more players than processors'] : ['WebCodecs', 'best here']);
    });

    await t.test('after scrolling, the others; those that are gone let go', async () => {
      await page.evaluate(() => scrollTo(0, document.querySelector('[data-name=c6]').offsetTop));
      await until('the last ones play', async () => { const now = await tiles(page); return now.c5 === 'playing' && now.c6 === 'playing' && now.c1 === 'idle'; }, 15000);
      await until('nobody watches the first', async () => !(await watched()).includes('c1'));
      await page.evaluate(() => scrollTo(0, 0));
      await until('the first plays again', async () => (await tiles(page)).c1 === 'playing', 15000);
    });

    await t.test('what is offline is listed, and counted', async () => {
      assert.deepEqual(await offline(page), ['late waiting for its source', 'never waiting for its source']);
      assert.equal(await page.evaluate(() => document.querySelector('h1').innerText), '6 live, 2 offline');
      assert.equal(await page.evaluate(() => document.querySelector('.offline a').getAttribute('href')), 'late');
    });

    await t.test('one that comes gets its place; one that goes keeps it, with its last picture', async () => {
      const late = server.feed('late', { size: '160x90', rate: '10' });
      await until('a seventh', async () => Object.keys(await tiles(page)).length === 7, 15000);
      assert.deepEqual(Object.keys(await tiles(page)).at(-1), 'late');
      assert.deepEqual(await offline(page), ['never waiting for its source']);
      await page.evaluate(() => document.querySelector('[data-name=late]').scrollIntoView());
      await until('it plays', async () => (await tiles(page)).late === 'playing', 15000);
      for (const program of late) program.kill('SIGTERM');
      await Promise.all(late.map(program => program.ended));
      await until('it waits', async () => (await tiles(page)).late === 'waiting', 15000);
      await until('the page says so', () => page.evaluate(() => document.querySelector('[data-name=late] figcaption').innerText.includes('waiting for its source')), 15000);
      assert.equal(await page.evaluate(() => document.querySelector('h1').innerText), '6 live, 2 offline');
    });

    await t.test('nothing is asked from elsewhere, the policy holds, nothing goes wrong', async () => {
      const ours = [server.url(), server.url().replace('http', 'ws')];
      assert.deepEqual(requests.filter(url => !ours.some(own => url.startsWith(own)) && !/^(blob|data|about):/.test(url)), []);
      assert.deepEqual(await page.evaluate(() => [...window.refused, ...(window.faults ?? [])]), []);
      assert.deepEqual(errors, []);
    });
  });
}

test('a server where nothing lives lists all', async t => {
  const empty = await Server.start(bench, ['a', 'b']);
  const { page, close } = await browsers[0].open();
  t.after(close);
  await page.goto(empty.url());
  await until('both are listed', async () => (await offline(page)).length === 2);
  assert.equal(await page.evaluate(() => document.querySelector('h1').innerText), '0 live, 2 offline');
});
