import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Quality } from '../src/engine/quality.js';

/** Calls it four times a second; `lossy` tells whether frames are lost in that second. @returns {string[]} what was asked for, in turn */
function run(quality, from, seconds, lossy) {
  const asked = [];
  let lost = 0;
  for (let second = from; second < from + seconds; second++) {
    for (let quarter = 0; quarter < 4; quarter++) {
      if (quarter === 0 && lossy(quality.name, second)) lost += 5;
      if (!quality.tick(1000 * second + 250 * quarter, lost)) continue;
      asked.push(quality.name);
      lost = 0;
    }
  }
  return asked;
}

function offered(...names) {
  const quality = new Quality();
  quality.offer(names);
  return quality;
}

test('one quality, and none, is left to the server', () => {
  for (const quality of [offered(), offered('cam')]) {
    assert.deepEqual(run(quality, 0, 60, () => true), []);
    assert.equal(quality.name, '');
  }
});

test('a network that carries less than the stream', () => {
  const quality = offered('hd', 'sd', 'ld');
  const asked = run(quality, 0, 20, name => name === '');
  assert.deepEqual(asked, ['sd']);
});

test('down to the last, and no further', () => {
  const quality = offered('hd', 'sd', 'ld');
  assert.deepEqual(run(quality, 0, 20, () => true), ['sd', 'ld']);
});

test('one loss alone is none', () => {
  assert.deepEqual(run(offered('hd', 'sd'), 0, 120, (_, second) => second % 20 === 0), []);
});

test('up again, and more seldom where it does not come through', () => {
  const quality = offered('hd', 'sd');
  const times = [];
  let lost = 0;
  for (let ms = 0; ms < 900_000; ms += 250) {
    if (quality.name === '' && ms % 1000 === 0) lost++;
    if (!quality.tick(ms, lost)) continue;
    lost = 0;
    times.push([Math.round(ms / 1000), quality.name]);
  }
  const ups = times.filter(([, name]) => name === '').map(([at]) => at);
  const pauses = ups.slice(1).map((at, i) => at - ups[i]);
  assert.ok(ups[0] >= 30 && ups[0] <= 35, `${ups}`);
  for (const [i, pause] of pauses.entries()) assert.ok(pause >= 30 * 2 ** (i + 1) && pause <= 30 * 2 ** (i + 1) + 10, `${pauses}`);
  assert.ok(pauses.length >= 3);
});

test('what carries it again stays', () => {
  const quality = offered('hd', 'sd');
  assert.deepEqual(run(quality, 0, 10, () => true), ['sd']);
  assert.deepEqual(run(quality, 10, 100, () => false), ['']);
  assert.deepEqual(run(quality, 110, 10, () => true), ['sd']);
  assert.deepEqual(run(quality, 120, 40, () => false), [''], 'as soon as the first time');
});

test('what was chosen stays, whatever is lost', () => {
  const quality = offered('hd', 'sd');
  quality.choose('sd');
  assert.deepEqual([quality.name, run(quality, 0, 60, () => true)], ['sd', []]);
  quality.choose('uhd');
  assert.equal(quality.name, '', 'the server has no such');
  quality.choose('auto');
  assert.equal(quality.name, '');
});

test('it may be chosen before the server has said what there is', () => {
  const quality = new Quality();
  quality.choose('sd');
  assert.equal(quality.name, 'sd');
});
