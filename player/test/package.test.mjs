// The player as one file: how large it is, and that it may be loaded where there is no document.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { hash, joined, page, policy, read, script } from '../join.mjs';

test('less than 58.5 KB in all, compressed, and 12.5 KB of dialogs that come when they are opened', t => {
  const size = text => zlib.gzipSync(text, { level: 9 }).length;
  const dialogs = ['activity.js', 'clips.js', 'rewind.js', 'timeline.js', 'spans.js', 'thumbnails.js'].map(script).map(size).reduce((a, b) => a + b);
  assert.ok(dialogs < 12800, `${dialogs} bytes`);
  const pages = [page(), ...['h5live-sound.js', 'page.js'].map(script), ...['page.css', 'icon.svg'].map(read)];
  const sizes = [joined(), ...pages].map(size);
  const all = sizes.reduce((a, b) => a + b);
  t.diagnostic(`h5live.js ${sizes[0]} bytes, with the pages ${all}`);
  // Of the style sheet, 70 bytes are for the pictures above the time line.
  assert.ok(all < 59904, `${all} bytes`);
});

test('the page that sends a camera stands alone: 8 KB, compressed, and nothing of the player', t => {
  const own = [read('publish.html'), script('publish.js'), read('publish.css')];
  const size = own.map(text => zlib.gzipSync(text, { level: 9 }).length).reduce((a, b) => a + b);
  t.diagnostic(`${size} bytes`);
  assert.ok(size < 8192, `${size} bytes`);
  assert.doesNotMatch(own.join(''), /import |h5live\.js/);
  // Both languages say all that is asked for.
  const [, en, zh] = /TEXTS = \{\n {2}en: \{([^]*?)\n {2}\},\n {2}zh: \{([^]*?)\n {2}\},/.exec(own[1]);
  const keys = text => [...text.matchAll(/^ {4}(\w+): '(.+)',$/gm)].map(match => [match[1], (match[2].match(/\{\w+\}/g) ?? []).sort()]);
  assert.deepEqual(keys(en), keys(zh));
  for (const [, key] of own[1].matchAll(/\b(?:say|button)\('(\w+)'/g)) assert.ok(keys(en).some(([known]) => known === key), key);
});

test('it is one module, which can be loaded on a server, where it does nothing', async () => {
  assert.equal(globalThis.HTMLElement, undefined);
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'h5live-module-'));
  const file = path.join(dir, 'h5live.mjs');
  fs.writeFileSync(file, joined());
  assert.doesNotMatch(joined(), /^import /m);
  const module = await import(file).finally(() => fs.rmSync(dir, { recursive: true }));
  assert.equal(typeof module.H5Live, 'function');
});

test('the page asks early for the codecs that the player knows', () => {
  const [, early] = /const CODECS = (\[[^\]]*\]);/.exec(read('early.js'));
  const [, known] = /export const VIDEO_CODECS = (\[[^\]]*\]);/.exec(read('engine/codecs.js'));
  assert.equal(early, known);
});

test('the policy allows the script that is in the page', () => {
  assert.ok(page().includes(`<script>${script('early.js')}</script>`) && policy().includes(hash()), `assets.rs: ${hash()}`);
});

test('types tell of every method and property', () => {
  const types = read('../h5live.d.ts');
  const own = [...read('h5live.js').matchAll(/^ {2}(?:async |get |set )?([a-z]\w*)\(/gm)].map(match => match[1]);
  const internal = ['constructor', 'connectedCallback', 'disconnectedCallback', 'attributeChangedCallback'];
  const told = own.filter(name => !internal.includes(name));
  assert.ok(told.length > 8, String(told));
  for (const name of told) assert.match(types, new RegExp(`\\b${name}\\b`), name);
  const docs = read('../../docs/player.md');
  for (const name of told) assert.match(docs, new RegExp(`\`${name}\\b`), `docs/player.md: ${name}`);
});
