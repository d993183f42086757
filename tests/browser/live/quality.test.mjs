// A group of streams: one page, of which the quality is chosen in the menu or by the network, and no picture is blank meanwhile.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { stats, useTransport, watchBlanks } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';
import { NarrowRelay } from '../lib/relay.mjs';

const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench, ['cam-hd', 'cam-sd'], ['--on-eof', 'reopen', '--group', 'cam=cam-hd,cam-sd']);
  server.feed('cam-hd', { size: '640x360' });
  server.feed('cam-sd', { size: '160x90' });
  await until('both are live', async () => {
    const { qualities = [] } = (await server.stream('cam')) ?? {};
    return qualities.length === 2 && qualities.every(({ width, bitrate }) => width > 0 && bitrate > 0);
  }, 20000);
});
after(() => bench.close());

const shows = (page, width, label) => until(`a picture of ${width}`, async () => {
  const now = await stats(page);
  return now.state === 'playing' && now.width === width && (!label || now.transport === label);
}, 20000);

/** The menu, as it is read: each choice, and the one that is chosen. */
const menu = page => page.evaluate(() => {
  const root = document.querySelector('h5-live').shadowRoot;
  if (root.querySelector('.stats').hidden) root.querySelector('[part~=stats-button]').click();
  const select = root.querySelector('[part~=quality]');
  return { shown: select.checkVisibility(), texts: [...select.options].map(option => option.textContent), value: select.value };
});

const choose = (page, name) => page.evaluate(name => {
  const select = document.querySelector('h5-live').shadowRoot.querySelector('[part~=quality]');
  select.value = name;
  select.dispatchEvent(new Event('change'));
}, name);

for (const { name, open } of engines) {
  test(name, async t => {
    const { page, close } = await open();
    t.after(close);

    for (const [transport, label] of [['webcodecs', 'WebCodecs'], ['mse', 'MSE']]) {
      await t.test(`${label}: by the menu, and back`, async () => {
        await page.goto(server.url('cam'));
        await useTransport(page, transport);
        await shows(page, 640, label);
        await watchBlanks(page);
        await until('the menu', async () => (await menu(page)).texts.length === 3);
        assert.deepEqual(await menu(page), { shown: true, texts: ['Automatic (cam-hd (360p))', 'cam-hd (360p)', 'cam-sd (90p)'], value: 'auto' });
        await choose(page, 'cam-sd');
        await shows(page, 160, label);
        const { quality, reconnects } = await stats(page);
        assert.deepEqual([quality, reconnects], ['cam-sd', 0]);
        await choose(page, 'auto');
        await shows(page, 640, label);
        // WebKitGTK says of a <video> whose data run out that it has none, and shows the last picture.
        if (name !== 'WebKit' || transport !== 'mse') assert.deepEqual(await page.evaluate(() => window.blanks), []);
      });
    }

    await t.test('a network that carries the small one only: the player takes that by itself, and goes on', async t => {
      const relay = await NarrowRelay.start(server.port);
      t.after(() => relay.close());
      const { qualities } = await server.stream('cam');
      await page.goto(`http://127.0.0.1:${relay.port}/cam`);
      await shows(page, 640);
      const [hd, sd] = qualities.map(({ bitrate }) => bitrate / 8);
      assert.ok(sd < 0.5 * hd, `${sd} of ${hd} bytes a second`);
      relay.carry(Math.round((sd + hd) / 2));
      await until('the small one', async () => (await stats(page)).quality === 'cam-sd', 60000);
      const { pictures } = await stats(page);
      await until('it goes on', async () => (await stats(page)).pictures > pictures + 30, 20000);
      assert.equal((await stats(page)).width, 160);
    });

    await t.test('a stream alone offers no choice', async () => {
      await page.goto(server.url('cam-hd'));
      await shows(page, 640);
      assert.equal((await menu(page)).shown, false);
      assert.equal((await stats(page)).quality, null);
    });
  });
}
