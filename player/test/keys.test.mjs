// Which key asks for what, and which are left to others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEYS, actionOf } from '../src/ui/keys.js';

/** A key press on an element that matches some of the selectors. */
function press(key, { on = '', code = '', ...more } = {}) {
  const element = { matches: selectors => selectors.split(', ').includes(on) };
  return actionOf({ key, code, defaultPrevented: false, composedPath: () => [element], ...more });
}

test('each key of the list does what the list says', () => {
  const wanted = { Space: ' ', '↑': 'ArrowUp', '↓': 'ArrowDown' };
  for (const { keys, action } of KEYS) {
    for (const key of keys) {
      const got = press(wanted[key] ?? key);
      if (action) assert.equal(got, action, key);
      else assert.match(got, /louder|quieter/);
      if (key.length === 1 && action) assert.equal(press(key.toLowerCase()), action);
    }
  }
  assert.equal(press('Escape'), 'close');
});

test('other layouts have the letter by its place', () => {
  assert.equal(press('ь', { code: 'KeyM' }), 'sound');
  assert.equal(press('é', { code: 'Digit2' }), undefined);
  // Dvorak: what is printed on it counts.
  assert.equal(press('m', { code: 'KeyS' }), 'sound');
});

test('fields, buttons and the browser keep their own', () => {
  assert.equal(press('m', { on: 'textarea' }), undefined);
  assert.equal(press('Escape', { on: 'select' }), 'close');
  assert.equal(press(' ', { on: 'button' }), undefined);
  assert.equal(press('k', { on: 'button' }), 'toggle');
  assert.equal(press('ArrowUp', { on: 'input[type=range]' }), undefined);
  for (const modifier of ['ctrlKey', 'metaKey', 'altKey', 'defaultPrevented']) assert.equal(press('f', { [modifier]: true }), undefined);
});
