// What was before, on the page of a stream: the last seconds, any place of the time line, and a piece to download. The clock in the picture says what is shown.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { faults } from '../lib/face.mjs';
import { watchClock } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
const FRAME_MS = 1000 / 15;
let server;

before(async () => {
  const dir = path.join(bench.dir, 'recordings');
  fs.mkdirSync(dir);
  server = await Server.start(bench, ['cam'], ['--on-eof', 'reopen', '--record', dir]);
  server.feed('cam', { size: '320x240', rate: '15' });
  await server.live();
  await until('twelve seconds are recorded', async () => {
    const [span] = (await recorded()).spans;
    return span && Date.parse(span.to) - Date.parse(span.from) > 12000;
  }, 60000);
});
after(() => bench.close());

const recorded = async () => (await fetch(server.url('cam/rec.json'))).json();

/** In the dialog: what the video has loaded, and how far it is. */
const clip = page => page.evaluate(() => {
  const video = document.querySelector('.clips video');
  if (!video) return {};
  const times = new URLSearchParams(new URL(video.src || 'x:', location.href).search);
  return { from: Date.parse(times.get('from')), to: Date.parse(times.get('to')), time: video.currentTime, ready: video.readyState, duration: video.duration };
});

// WebKitGTK stands still in a clip in some runs, with data ahead: not understood.
for (const { name, open } of browsers) {
  test(name, async t => {
    const { page, close, errors } = await open();
    t.after(close);
    await page.goto(server.url('cam'));
    const button = await until('the buttons', () => page.evaluate(() => document.querySelectorAll('nav button').length > 2 && document.querySelectorAll('nav button')[1].title));
    assert.equal(button, 'Earlier');
    await page.evaluate(() => document.querySelectorAll('nav button')[1].click());
    await until('the bar', () => page.evaluate(() => document.querySelector('.rewind') !== null));
    await page.evaluate(() => [...document.querySelectorAll('.rewind button')].at(-1).click());
    const plays = async () => {
      let now = {};
      const isSeen = async () => {
        now = await clip(page);
        return now.ready >= 2 && now.time > 0.3 && now;
      };
      return until('the clip plays', isSeen, 20000).catch(error => assert.fail(`${error.message}: ${JSON.stringify(now)}`));
    };

    await t.test('the last ten seconds, and nothing earlier than was asked for', async () => {
      await until('the clip is there', async () => (await clip(page)).ready >= 1, 20000);
      await watchClock(page, '.clips video');
      const { from, to } = await plays();
      await until('pictures were read', () => page.evaluate(() => window.clock.filter(Boolean).length > 12));
      assert.ok(to - from > 8000 && to - from <= 10100, `${to - from} ms`);
      const readings = await page.evaluate(() => window.clock.filter(Boolean).map(({ time }) => time));
      const modulo = 2 ** 32;
      const first = readings.map(time => ((time - (from % modulo) + 1.5 * modulo) % modulo) - modulo / 2);
      t.diagnostic(`${name}: the first picture that was read was captured ${first[0]} ms after what was asked for`);
      // Firefox may show the first picture of the file before it keeps to the edit list.
      const begun = first.findIndex(late => late > -0.5 * FRAME_MS);
      t.diagnostic(`${name}: ${begun} pictures from before`);
      assert.ok(begun === 0 || (begun === 1 && name === 'Firefox'), `${first.slice(0, 5)}`);
      assert.ok(Math.min(...first.slice(begun)) > -0.5 * FRAME_MS, `${first}`);
    });

    await t.test('another place of the time line', async () => {
      const line = await until('the time line', () => page.evaluate(() => {
        const { left, top, width, height } = document.querySelector('.clips .line').getBoundingClientRect();
        return width > 0 && { left, top, width, height };
      }));
      const { spans } = await recorded();
      const wanted = Date.parse(spans[0].from) + 3000;
      const { from, to } = await page.evaluate(() => {
        const slider = document.querySelector('.clips .line');
        return { from: 1000 * slider.dataset.from, to: 1000 * slider.dataset.to };
      });
      await page.mouse.click(line.left + (line.width * (wanted - from)) / (to - from), line.top + 12);
      // A pixel of an hour is some seconds.
      await until('it is loaded', async () => Math.abs((await clip(page)).from - wanted) < 9000);
      await plays();
      await page.evaluate(() => document.querySelector('.clips .line').focus());
      const before = (await clip(page)).from;
      await page.keyboard.press('End');
      await until('the end', async () => (await clip(page)).from > before);
      // There is nothing behind the end: it stays there.
      for (let n = 0; n < 3; n++) await page.evaluate(() => [...document.querySelectorAll('.clips button')].find(button => button.textContent === '10 s on').click());
      await plays();
      await page.evaluate(() => [...document.querySelectorAll('.clips button')].find(button => button.textContent === '10 s back').click());
    });

    await t.test('a piece to keep', async () => {
      await plays();
      const press = text => page.evaluate(text => [...document.querySelectorAll('.clips button')].find(button => button.textContent === text).click(), text);
      await press('Begin here');
      const { time } = await clip(page);
      await until('a second later', async () => (await clip(page)).time > time + 1, 20000);
      await press('End here');
      const address = await page.evaluate(() => document.querySelector('.clips a').href);
      const file = path.join(bench.dir, `${name}.mp4`);
      fs.writeFileSync(file, Buffer.from(await (await fetch(address)).arrayBuffer()));
      const [length] = execFileSync('ffprobe', ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', file], { encoding: 'utf8' }).split('\n').map(Number);
      assert.ok(length > 0.8 && length < 8, `${length} s of ${address}`);
    });

    await t.test('by keyboard and screen reader', async () => {
      assert.deepEqual(await faults(page), []);
      await page.keyboard.press('Escape');
      await until('closed', () => page.evaluate(() => document.querySelector('.clips') === null));
      assert.deepEqual(errors, []);
    });
  });
}
