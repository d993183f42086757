// Two cameras of the virtual machine, each on a page: what they show, then unplugged and plugged in again.
//
//   node browser.mjs FOLDER PORT PORT     FOLDER is shared with the machine; files in it say how far each side is
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from '../../browser/lib/browsers.mjs';
import { stats, watchClock } from '../../browser/lib/page.mjs';
import { sleep, until } from '../../browser/lib/programs.mjs';

const [folder, ...ports] = process.argv.slice(2);
const file = name => path.join(folder, name);
const tell = name => fs.writeFileSync(file(name), '');
const told = name => until(name, () => {
  if (fs.existsSync(file('status'))) throw new Error(`the machine ended before: ${name}`);
  return fs.existsSync(file(name));
}, 120000);

/** The pictures seen since the last call, as `{frame, time, latency, at}`, times in Unix ms. */
async function pictures(viewer) {
  const [read, origin] = await viewer.page.evaluate(() => [window.clock.splice(0), performance.timeOrigin]);
  // Between the two rows of the clock, which are read one after the other, the browser may go on to the next picture.
  const good = read.filter(Boolean);
  assert.ok(good.length >= read.length - 1, `${viewer.serial}: ${read.length - good.length} of ${read.length} pictures cannot be read`);
  fs.appendFileSync(file(`${viewer.serial}.seen`), good.map(({ frame, time }) => `${frame} ${time}\n`).join(''));
  return good.map(picture => ({ ...picture, at: picture.at + origin }));
}

/** Red, green and blue of a pixel in the lower half, which tells the cameras apart. */
const colour = page => page.evaluate(() => {
  const { shadowRoot } = document.querySelector('h5-live');
  const source = [...shadowRoot.querySelectorAll('img, video, canvas')].find(e => e.checkVisibility() && (e.naturalWidth || e.videoWidth || e.width));
  const context = new OffscreenCanvas(1, 1).getContext('2d');
  const [width, height] = [source.naturalWidth || source.videoWidth || source.width, source.naturalHeight || source.videoHeight || source.height];
  context.drawImage(source, width / 2, height * 0.75, 1, 1, 0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
});

async function open(serial, isRight, port) {
  const viewer = { serial, isRight, ...(await chromium()) };
  await viewer.page.goto(`http://127.0.0.1:${port}/live`);
  await until(`${serial}: the first picture`, () => viewer.page.evaluate(() => window.firstPicture), 30000);
  await watchClock(viewer.page);
  await viewer.page.evaluate(() => (window.sameDocument = true));
  return viewer;
}

/** New pictures come, of this camera, and none is older than the one before. Returns how late they are, ms. */
async function plays(viewer) {
  await pictures(viewer);
  const seen = [];
  await until(`${viewer.serial}: pictures`, async () => {
    seen.push(...(await pictures(viewer)));
    return seen.length >= 15;
  }, 20000);
  // After a seek the same picture may be presented twice.
  assert.ok(seen.every(({ time }, i) => i === 0 || time >= seen[i - 1].time) && seen.at(-1).time > seen[0].time, `${viewer.serial}: not in order: ${JSON.stringify(seen)}`);
  // An <img> whose next picture is being decoded is drawn as black.
  let rgb = [0, 0, 0];
  await until(`${viewer.serial}: a picture that can be drawn`, async () => (rgb = await colour(viewer.page)).some(value => value > 0));
  assert.ok(viewer.isRight(rgb), `${viewer.serial}: the other camera's colour: ${rgb}`);
  return seen.map(({ latency }) => latency).sort((a, b) => a - b)[seen.length >> 1];
}

const viewers = [];
try {
  await told('ready');
  viewers.push(await open('A1', ([r, , b]) => r > 150 && b < 80, ports[0]), await open('B2', ([r, , b]) => b > 150 && r < 80, ports[1]));
  // An emulated machine is late anyway; how late is no matter of replugging.
  const usual = await Promise.all(viewers.map(plays));

  tell('unplug');
  await told('unplugged');
  await sleep(2000);
  for (const viewer of viewers) await pictures(viewer);
  tell('plug');
  await told('plugged');
  const plugged = fs.readFileSync(file('plugged'), 'utf8').trim().split('\n').map(seconds => seconds * 1000);
  for (const [i, viewer] of viewers.entries()) {
    let first;
    await until(`${viewer.serial}: a picture`, async () => (first ??= (await pictures(viewer))[0]), 20000);
    const after = Math.round(first.at - plugged[i]);
    const { transport } = await stats(viewer.page);
    const what = `${viewer.serial} over ${transport}: picture back ${after} ms after the device, usual latency ${usual[i]} ms`;
    assert.ok(after < 2000 + usual[i], what);
    await plays(viewer);
    assert.ok(await viewer.page.evaluate(() => window.sameDocument), `${viewer.serial}: the page was loaded again`);
    console.log(`ok ${what}`);
  }
} catch (e) {
  console.log(e.stack);
  process.exitCode = 1;
} finally {
  tell('done');
  await Promise.all(viewers.map(viewer => viewer.close()));
  // A browser whose page never had a picture is open still.
  process.exit();
}
