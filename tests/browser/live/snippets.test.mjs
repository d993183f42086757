// Every piece of HTML that the README, the documents, the manual pages and the page itself tell people to paste: each plays in a real browser.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { stats } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const root = path.resolve(import.meta.dirname, '../../..');
const bench = new Bench();
let server;

before(async () => {
  server = await Server.start(bench, ['cam'], ['--on-eof', 'reopen', '--cors', '*']);
  server.feed('cam', { size: '320x240', rate: '15' });
  await server.live('cam');
});
after(() => bench.close());

const files = (dir, end) => fs.readdirSync(path.join(root, dir)).filter(name => end.test(name)).map(name => path.join(dir, name));

/** Elements with a `src`, in prose or in a block; those of frameworks are no HTML. Roff writes `\\-` for a hyphen. */
function elements() {
  const found = [];
  for (const file of ['README.md', 'player/README.md', ...files('docs', /\.md$/), ...files('man', /\.[157]$/)]) {
    const text = fs.readFileSync(path.join(root, file), 'utf8').replaceAll('\\-', '-').replaceAll('\\(aq', "'").replaceAll('&lt;', '<');
    const tags = text.match(/<h5-live\b[^>]*\ssrc=[^>]*>/g) ?? [];
    found.push(...tags.filter(tag => !/[{]|\s:src=/.test(tag)).map(tag => [file, tag]));
  }
  return found;
}

/** Names that stand for the reader's own. */
function ours(html) {
  const src = /src="([^"]*)"/.exec(html)[1];
  const here = src.replace(/^(https?|wss?):\/\/[^/]+\//, (_, scheme) => server.url().replace('http', scheme.replace(/s$/, '')));
  // `…` and `...` stand for any name.
  return html.replace(src, here.replace(/NAME|(?<=^|\/)door$|^(…|\.\.\.)$/, 'cam'));
}

/** Firefox, which plays them no other way than Chromium, has had its turn in live/embed. */
const judges = engines.filter(({ name }) => name !== 'Firefox');

for (const { name: engine, open } of judges) test(`${engine}: each element that is written down plays in a page of somebody else`, async t => {
  const all = elements();
  for (const file of ['README.md', 'player/README.md', 'docs/player.md', 'man/h5serve.1']) assert.ok(all.some(([of]) => of === file), `${file} has one`);
  let body = '';
  const site = http.createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!doctype html><title>x</title><body>${body}`));
  await new Promise(resolve => site.listen(0, '127.0.0.1', resolve));
  t.after(() => site.close());
  const { page, close } = await open();
  t.after(close);
  page.direct?.();
  for (const [file, tag] of all) {
    body = `<script type="module" src="${server.url('h5live.js')}"></script>${ours(tag)}</h5-live>`;
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
    await until(`${file}: ${tag} plays`, async () => (await stats(page)).state === 'playing', 20000);
    const name = await page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('[part=root]').ariaLabel ?? document.querySelector('h5-live').shadowRoot.querySelector('[part=root]').getAttribute('aria-label'));
    assert.equal(name, 'Live video: cam', `${file}: ${tag}`);
    t.diagnostic(`${file}: ${tag}`);
  }
});

test('each script tag that is written down is that of the module', () => {
  for (const file of ['README.md', ...files('docs', /\.md$/)]) {
    for (const [tag, src] of fs.readFileSync(path.join(root, file), 'utf8').matchAll(/<script\b[^>]*src="([^"]*)"[^>]*>/g)) {
      assert.match(tag, /type="module"/, file);
      assert.equal(src.split('/').pop(), 'h5live.js', file);
    }
  }
});

for (const { name: engine, open } of judges) test(`${engine}: the snippet of the page itself plays elsewhere`, async t => {
  const { page, close } = await open();
  t.after(close);
  page.direct?.();
  await page.goto(server.url('cam'));
  await until('the dialog', () => page.evaluate(() => document.querySelector('dialog code')?.innerText ?? document.querySelector('dialog code')?.textContent));
  const snippet = await page.evaluate(() => document.querySelector('dialog code').textContent);
  const site = http.createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!doctype html><title>x</title><body>${snippet}`));
  await new Promise(resolve => site.listen(0, '127.0.0.1', resolve));
  t.after(() => site.close());
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await until('it plays', async () => (await stats(page)).state === 'playing', 20000);
});
