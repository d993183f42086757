import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawUpright, poseOf, poseOfPictures, remaining, uprightSize } from '../src/engine/orientation.js';
import { ORIENTATIONS } from '../../tests/browser/lib/turned.mjs';

const track = (matrix, more = {}) => ({ matrix, coded: [160, 120], surface: [160, 120], pasp: null, ...more });
const pose = exif => poseOf(track(ORIENTATIONS[exif].matrix));

/** Where style or a canvas takes a point: mirrored, then turned. */
function moved({ turns, mirrored }, [x, y]) {
  let at = [mirrored ? -x : x, y];
  for (let i = 0; i < turns; i++) at = [-at[1], at[0]];
  return at.map(n => n + 0);
}

test('the eight matrices', () => {
  for (const { matrix: [a, b, c, d] } of Object.values(ORIENTATIONS)) {
    for (const [x, y] of [[-2, -1], [3, 1]]) assert.deepEqual(moved(poseOf(track([a, b, c, d])), [x, y]), [a * x + c * y + 0, b * x + d * y + 0]);
  }
});

test('the shape of pixels: pasp, then the size in tkhd, then nothing', () => {
  const of = more => poseOf(track([1, 0, 0, 1], more)).aspect;
  assert.equal(of({}), null);
  assert.equal(of({ pasp: [64, 45], surface: [1, 1] }), 64 / 45);
  assert.equal(of({ pasp: [0, 45], surface: [320, 120] }), 2);
  assert.equal(of({ surface: [160.4, 120] }), null, 'rounded');
  assert.equal(of({ surface: [0, 0] }), null);
});

test('pictures say themselves which way up they are, not how wide', () => {
  assert.deepEqual(poseOfPictures({}), { turns: 0, mirrored: false, aspect: null });
  assert.equal(poseOfPictures({ orientation: 6, sample_aspect: '2:1' }).aspect, 0.5);
  assert.equal(poseOfPictures({ orientation: 3, sample_aspect: '2:1' }).aspect, 2);
  assert.equal(poseOfPictures({ sample_aspect: '0:1' }).aspect, null);
});

test('only what a browser leaves is done', () => {
  const nothing = { turns: 0, mirrored: false, aspect: null };
  const wide = { ...pose(6), aspect: 2 };
  assert.deepEqual(remaining(pose(6), [160, 120], 120 / 160, false), nothing);
  assert.deepEqual(remaining(pose(6), [160, 120], 160 / 120, false), { turns: 1, mirrored: false, aspect: null });
  assert.deepEqual(remaining(pose(3), [160, 120], 160 / 120, false), nothing, 'it cannot be seen: the browser is believed');
  assert.deepEqual(remaining(pose(2), [160, 120], 160 / 120, true), { turns: 0, mirrored: true, aspect: null });
  assert.deepEqual(remaining(pose(5), [160, 120], 160 / 120, true), { turns: 3, mirrored: true, aspect: null });
  assert.deepEqual(remaining(wide, [160, 120], 120 / 320, false), nothing);
  assert.deepEqual(remaining(wide, [160, 120], 320 / 120, false), { turns: 1, mirrored: false, aspect: null });
  assert.deepEqual(remaining(wide, [160, 120], 160 / 120, false), { turns: 1, mirrored: false, aspect: 2 });
  assert.deepEqual(remaining(wide, [160, 120], 120 / 160, false), { turns: 0, mirrored: false, aspect: 0.5 });
});

test('sizes', () => {
  assert.deepEqual(uprightSize({ turns: 0, aspect: 64 / 45 }, 160, 120), { width: 227, height: 120 });
  assert.deepEqual(uprightSize({ turns: 1, aspect: 45 / 64 }, 160, 120), { width: 170, height: 160 });
  assert.deepEqual(uprightSize({ turns: 3, aspect: null }, 160, 120), { width: 120, height: 160 });
});

test('a canvas is drawn whole', () => {
  for (const exif of Object.keys(ORIENTATIONS)) {
    let at = point => point;
    let box;
    const then = next => { const before = at; at = point => before(next(point)); };
    const context = {
      save() {}, restore() {}, drawImage: (_, ...where) => (box = where),
      translate: (x, y) => then(([a, b]) => [a + x, b + y]),
      rotate: angle => then(([a, b]) => [a * Math.cos(angle) - b * Math.sin(angle), a * Math.sin(angle) + b * Math.cos(angle)]),
      scale: (x, y) => then(([a, b]) => [a * x, b * y]),
    };
    const { width, height } = uprightSize(pose(exif), 160, 120);
    drawUpright(context, null, pose(exif), width, height);
    const corners = [[box[0], box[1]], [box[0] + box[2], box[1] + box[3]]].map(at).map(point => point.map(n => Math.round(n) + 0));
    assert.deepEqual([0, 1].map(i => Math.min(corners[0][i], corners[1][i])), [0, 0]);
    assert.deepEqual([0, 1].map(i => Math.max(corners[0][i], corners[1][i])), [width, height]);
  }
});
