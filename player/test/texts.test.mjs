// What is said, in each language.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { KEYS } from '../src/ui/keys.js';

Object.defineProperty(globalThis, 'navigator', { value: { languages: ['en'] }, configurable: true });
const { Language, REASONS, TEXTS, choose } = await import('../src/ui/texts.js');
const folder = path.resolve(import.meta.dirname, '../src');
const source = name => fs.readFileSync(path.join(folder, name), 'utf8');

test('every language says the same things, with the same values', () => {
  const values = text => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const [name, table] of Object.entries(TEXTS)) {
    assert.deepEqual(Object.keys(table).sort(), Object.keys(TEXTS.en).sort(), name);
    for (const key of Object.keys(table)) {
      assert.ok(table[key].trim(), `${name}: ${key}`);
      assert.deepEqual(values(table[key]), values(TEXTS.en[key]), `${name}: ${key}`);
    }
  }
});

test('what is asked for is there, and what is there is asked for', () => {
  const files = ['ui/view.js', 'ui/panel.js', 'h5live.js', 'page.js', 'activity.js', 'clips.js', 'rewind.js', 'timeline.js', 'thumbnails.js', 'ui/keys.js'].map(source).join('\n');
  for (const [, key] of files.matchAll(/\bsay\('([^']+)'/g)) assert.ok(key in TEXTS.en, key);
  const words = new Set(files.match(/\w+/g));
  for (const key of Object.keys(TEXTS.en)) assert.ok(words.has(key), `nobody says ${key}`);
  for (const { text } of KEYS) assert.ok(text in TEXTS.en, text);
});

test('every reason that the player gives can be said', () => {
  const language = new Language();
  language.use('zh');
  const files = ['session.js', ...['link', 'mse', 'webcodecs', 'jpeg', 'http'].map(name => `transports/${name}.js`), 'engine/codecs.js', 'ui/snapshot.js'].map(source).join('\n');
  const given = [
    ...files.matchAll(/(?:[fF]ail(?:ed)?|#close|#refused)\(\s*['`]([^'`$]+)/g),
    ...files.matchAll(/new Error\('([^']+)'/g),
    ...files.matchAll(/return [\w.?]+ \? '([^']*)' : '([^']+)'/g),
  ].flatMap(([, ...texts]) => texts).filter(text => text?.includes(' '));
  assert.ok(given.length > 8, String(given));
  const unsaid = given.map(text => text.trim().replace(/:$/, '')).filter(text => language.reason(text) === new Language().reason(text));
  assert.deepEqual(unsaid, []);
  assert.deepEqual(Object.keys(REASONS), Object.keys(TEXTS));
});

test('the browser\'s languages choose', () => {
  assert.equal(choose(['zh-CN', 'en']), 'zh');
  assert.equal(choose(['de', 'zh-TW']), 'zh');
  assert.equal(choose(['de', 'fr-FR']), 'en');
  assert.equal(choose(['en-GB', 'zh']), 'en');
});

test('a change of language is followed; a reason keeps what the browser said', () => {
  const language = new Language();
  const heard = [];
  language.follow(() => heard.push(language.say('retryIn', { s: 3 })));
  language.use('zh');
  language.use('zh');
  assert.deepEqual(heard, ['Trying again in 3 s', '3 秒后重试']);
  assert.equal(language.reason('no answer from the server: 7'), '服务器没有响应: 7');
  assert.equal(language.reason('an error of somebody else'), 'An error of somebody else');
});
