// The time line under the live picture: what there is and what is missing of it, seeking by pointer, touch and keys, zooming, days, the picture of the time under the pointer; what
// the ring alone has; and how long it takes to draw a month.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { browsers, chromium } from '../lib/browsers.mjs';
import { faults } from '../lib/face.mjs';
import { playerIsThere } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;

/** What there is; nothing before the first fragment was written. */
async function spans() {
  const answer = await fetch(server.url('cam/rec.json'));
  const { spans } = answer.ok ? await answer.json() : { spans: [] };
  return spans.map(({ from, to }) => [Date.parse(from), Date.parse(to)]);
}

before(async () => {
  const dir = path.join(bench.dir, 'recordings');
  fs.mkdirSync(dir);
  server = await Server.start(bench, ['cam'], ['--on-eof', 'reopen', '--record', dir, '--record-segment', '4s']);
  const first = server.feed('cam', { size: '320x240', rate: '15' });
  await server.live();
  await until('seven seconds are recorded', async () => (await spans()).some(([from, to]) => to - from > 7000), 60000);
  for (const stage of first) stage.kill('SIGTERM');
  await Promise.all(first.map(stage => stage.ended));
  await new Promise(resolve => setTimeout(resolve, 5000));
  server.feed('cam', { size: '320x240', rate: '15' });
  await until('there are two spans', async () => (await spans()).length === 2 && (await spans()).at(-1)[1] - (await spans()).at(-1)[0] > 4000, 60000);
});
after(() => bench.close());

/** Nine seconds before the end of what there is, without a gap behind it. */
async function lately() {
  const [, end] = await until('twelve seconds', async () => {
    const last = (await spans()).at(-1);
    return last[1] - last[0] > 12000 && last;
  }, 30000);
  return end - 9000;
}

/** Opens the page, and what is below the picture. */
async function opened(page) {
  await page.goto(server.url('cam'));
  await playerIsThere(page);
  await until('it plays', () => page.evaluate(() => document.querySelector('h5-live').state === 'playing'), 20000);
  await page.evaluate(() => document.querySelectorAll('nav button')[1].click());
  await until('the time line', async () => (await line(page))?.to > 0);
}

/** What the time line shows, where it is, and what it says. */
const line = page => page.evaluate(() => {
  const element = document.querySelector('.timeline .line');
  if (!element?.checkVisibility()) return null;
  const { left, top, width, height } = element.getBoundingClientRect();
  const [from, to] = ['from', 'to'].map(name => 1000 * element.dataset[name]);
  return { left, top, width, height, from, to, text: element.getAttribute('aria-valuetext'), now: 1000 * element.getAttribute('aria-valuenow') };
});

/** Where a time is on the screen. */
const place = ({ left, top, width, from, to }, time) => [left + ((time - from) / (to - from)) * width, top + 12];

const position = page => page.evaluate(() => document.querySelector('h5-live').position?.getTime() ?? null);
const days = page => page.evaluate(() => {
  const { min, max } = document.querySelector('.timeline input');
  return { min, max };
});
const said = page => page.evaluate(() => document.querySelector('.earlier [role=status]').textContent);

/** The picture above the line: when it was captured by its own clock, ms; 0: none is shown. `moment` is in the 32 bits of the clock that it tells. */
const thumbnail = (page, moment) => page.evaluate(moment => {
  const image = document.querySelector('.timeline .tip img');
  if (!image?.checkVisibility() || image.classList.contains('old') || !image.complete || image.naturalWidth === 0) return 0;
  const canvas = new OffscreenCanvas(36, 1);
  const context = canvas.getContext('2d');
  const { naturalWidth: width } = image;
  const bit = n => {
    context.drawImage(image, ((n + 0.5) * width) / 36, (4 * width) / 320, 1, 1, 0, 0, 1, 1);
    return context.getImageData(0, 0, 1, 1).data[1] > 128 ? 1 : 0;
  };
  const time = Array.from({ length: 32 }, (_, n) => bit(n)).reduce((sum, bit) => 2 * sum + bit, 0);
  return time + Math.round((moment - time) / 2 ** 32) * 2 ** 32;
}, moment);

/** The keyframe of a moment is shown: one that was captured before it, or within the second for which one picture is asked for. */
const shows = (page, moment) => until('the picture of then', async () => {
  const time = await thumbnail(page, moment);
  return time > moment - 2500 && time < moment + 1100;
}, 10000);

/** How dark the line is at a time, 0 to 255. */
const drawn = (page, time) => page.evaluate(time => {
  const element = document.querySelector('.timeline .line');
  const canvas = element.querySelector('canvas');
  const [from, to] = ['from', 'to'].map(name => 1000 * element.dataset[name]);
  return canvas.getContext('2d').getImageData(Math.round(((time - from) / (to - from)) * canvas.width), 6, 1, 1).data[3];
}, time);

for (const { name, open } of browsers) {
  test(name, async t => {
    const { page, requests, close, errors } = await open();
    t.after(close);
    await opened(page);
    const all = await spans();

    await t.test('for all to read and to use', async () => {
      assert.deepEqual(await faults(page), []);
      assert.equal((await line(page)).text, 'LIVE');
      const { min, max } = await days(page);
      assert.ok(min && min <= max, `${min} ${max}`);
    });

    await t.test('closer, up to a minute', async () => {
      await page.evaluate(() => document.querySelector('.timeline .line').focus());
      for (let n = 0; n < 12; n++) await page.keyboard.press('+');
      await until('a minute', async () => Math.round(((await line(page)).to - (await line(page)).from) / 1000) === 60);
      const { left, top, width } = await line(page);
      const turn = deltaY => page.evaluate(([x, y, deltaY]) => document.querySelector('.timeline .line').dispatchEvent(new WheelEvent('wheel', { deltaY, clientX: x, clientY: y, bubbles: true, cancelable: true })), [left + width / 2, top + 12, deltaY]);
      await turn(200);
      await until('farther', async () => (await line(page)).to - (await line(page)).from > 110000);
      await turn(-250);
      await until('a minute', async () => Math.round(((await line(page)).to - (await line(page)).from) / 1000) === 60);
    });

    await t.test('what is missing is seen, and it goes on behind it', async () => {
      const [[begin, end], [next]] = all;
      const isDrawn = await until('spans are drawn', async () => (await line(page)).from < begin && (await drawn(page, begin + 2000)) > 200);
      assert.ok(isDrawn);
      assert.equal(await drawn(page, (end + next) / 2), 0);
      assert.ok((await drawn(page, next + 1500)) > 200);
      await page.mouse.click(...place(await line(page), (end + next) / 2));
      await until('it says so', async () => /Nothing was recorded then/.test(await said(page)));
      await until('behind the gap', async () => (await position(page)) !== null && Math.abs((await position(page)) - next) < 3000, 10000);
    });

    await t.test('the picture of the time under the pointer', async () => {
      const [[begin, end], [next]] = all;
      const asked = () => requests.filter(url => /cam\.jpg\?/.test(url)).length;
      await page.mouse.move(...place(await line(page), begin + 3000));
      await shows(page, begin + 3000);
      await page.mouse.move(...place(await line(page), next + 2500));
      await shows(page, next + 2500);
      if (process.env.H5LIVE_SHOTS) await page.screenshot({ path: path.join(process.env.H5LIVE_SHOTS, `thumbnail-${name}.png`) });
      await page.mouse.move(...place(await line(page), (end + next) / 2));
      assert.equal(await thumbnail(page, end), 0, 'none of a gap');
      const [before, shown, begun] = [asked(), await line(page), performance.now()];
      for (let n = 0; n <= 40; n++) await page.mouse.move(...place(shown, begin + 1000 + (n % 10) * 500));
      const most = 2 + (performance.now() - begun) / 150;
      assert.ok(asked() - before <= most, `${asked() - before} requests, and not ${most}`);
      await page.mouse.move(...place(await line(page), begin + 3000));
      await shows(page, begin + 3000);
      const now = asked();
      await page.mouse.move(5, 5);
      await until('it goes with the pointer', async () => (await thumbnail(page, begin)) === 0);
      await page.mouse.move(...place(await line(page), begin + 3000));
      await shows(page, begin + 3000);
      assert.equal(asked(), now, 'it was remembered');
      await page.mouse.move(5, 5);
    });

    await t.test('by pointer', async () => {
      const wanted = all[0][0] + 1500;
      await page.mouse.click(...place(await line(page), wanted));
      await until('there', async () => Math.abs((await position(page)) - wanted) < 2500, 10000);
      const shown = await line(page);
      await page.mouse.move(...place(shown, wanted + 500));
      await page.mouse.down();
      for (let n = 1; n <= 10; n++) await page.mouse.move(...place(shown, wanted + 500 + 350 * n));
      await page.mouse.up();
      await until('dragged', async () => Math.abs((await position(page)) - wanted - 4000) < 2500, 10000);
    });

    await t.test('by keys', async () => {
      await page.evaluate(() => document.querySelector('.timeline .line').focus());
      await page.keyboard.press('Home');
      await until('the first there is', async () => Math.abs((await position(page)) - all[0][0]) < 2500, 10000);
      assert.match((await line(page)).text, /\d:\d\d/);
      await shows(page, all[0][0]);
      await page.keyboard.press('PageUp');
      await until('on', async () => (await position(page)) > all[0][0] + 2500, 10000);
      await page.keyboard.press('End');
      await until('live', async () => (await position(page)) === null && (await line(page)).text === 'LIVE', 10000);
      await page.keyboard.press('ArrowLeft');
      await until('some seconds ago, or behind the gap', async () => (await position(page)) !== null && Date.now() - (await position(page)) > 2500, 10000);
    });

    await t.test('a day', async () => {
      const go = value => page.evaluate(value => {
        const day = document.querySelector('.timeline input');
        day.value = value;
        day.dispatchEvent(new Event('change'));
      }, value);
      const { min, max } = await days(page);
      // A test may begin before midnight.
      const first = await page.evaluate(time => new Date(time).toLocaleDateString('sv'), all[0][0]);
      await go(first);
      await until('the first of it', async () => Math.abs((await position(page)) - all[0][0]) < 3500, 10000);
      await until('it is that day', async () => Math.abs((await line(page)).to - (await line(page)).from - 86400000) < 4000000);
      await go('2020-02-03');
      await until('it says so', async () => /There is nothing/.test(await said(page)));
      assert.ok(min <= first && first <= max, `${first} in ${min} to ${max}`);
      assert.deepEqual(await faults(page), []);
      assert.deepEqual(errors, []);
    });
  });
}

for (const { name, open } of browsers) {
  test(`${name}: what the ring holds, without a recording`, async t => {
    const { page, close, errors } = await open();
    t.after(close);
    const other = await Server.start(bench, ['ring'], ['--on-eof', 'reopen', '--hls-window', '20']);
    t.after(() => other.kill());
    other.feed('ring', { size: '320x240', rate: '15' });
    await other.live('ring');
    const ring = async () => (await (await fetch(other.url('ring/rec.json'))).json()).ring;
    const held = ({ from, to }) => Date.parse(to) - Date.parse(from);
    await until('eight seconds', async () => held((await ring()) ?? { from: 0, to: 0 }) > 8000, 30000);
    await page.goto(other.url('ring'));
    await playerIsThere(page);
    await until('it plays', () => page.evaluate(() => document.querySelector('h5-live').state === 'playing'), 20000);
    await page.evaluate(() => document.querySelectorAll('nav button')[1].click());
    await until('the time line', async () => (await line(page))?.to > 0);
    const wanted = Date.parse((await ring()).to) - 5000;
    await page.mouse.move(...place(await line(page), wanted));
    await shows(page, wanted);
    await page.mouse.click(...place(await line(page), wanted));
    await until('there', async () => Math.abs((await position(page)) - wanted) < 3500, 10000);
    await page.evaluate(() => document.querySelector('.timeline .line').focus());
    await page.keyboard.press('End');
    await until('live', async () => (await position(page)) === null && (await line(page)).text === 'LIVE', 10000);
    // There is no list of what was not recorded.
    await page.evaluate(() => [...document.querySelectorAll('.rewind button')].at(-1).click());
    await until('the dialog has the time line', () => page.evaluate(() => document.querySelector('.clips .line')?.checkVisibility()));
    assert.equal(await page.evaluate(() => document.querySelector('.clips a:not([download])').checkVisibility()), false);
    assert.deepEqual(errors, []);
  });
}

test('by touch: a finger seeks, with the picture above it, and two zoom', async t => {
  const { page, context, close, errors } = await chromium({ phone: true, size: [400, 800] });
  t.after(close);
  // An hour, so that the line does not move by itself to what there is.
  const hour = () => ({ from: new Date(Date.now() - 3600000).toISOString(), to: new Date(Date.now() - 500).toISOString(), bytes: 1, files: 1 });
  await page.route('**/cam/rec.json*', route => route.fulfill({ json: { stream: 'cam', recording: true, trouble: null, bytes: 1, spans: [hour()], gaps: [] } }));
  await opened(page);
  await page.evaluate(() => {
    document.querySelector('.timeline [data-seconds="3600"]').click();
    for (let n = 0; n < 7; n++) [...document.querySelectorAll('.scales button')].find(button => button.textContent === '+').click();
    document.querySelector('.timeline').scrollIntoView({ block: 'center' });
  });
  await until('a minute', async () => Math.round(((await line(page)).to - (await line(page)).from) / 1000) === 60);
  const cdp = await context.newCDPSession(page);
  const touch = (type, ...points) => cdp.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x: Math.round(x), y: Math.round(y), id })) });
  const wanted = await lately();
  const shown = await line(page);
  await touch('touchStart', place(shown, wanted + 3000));
  await shows(page, wanted + 3000);
  for (let n = 1; n <= 10; n++) await touch('touchMove', place(shown, wanted + 3000 - 300 * n));
  await shows(page, wanted);
  await touch('touchEnd');
  await until('there', async () => Math.abs((await position(page)) - wanted) < 2500, 10000);
  assert.equal(await thumbnail(page, wanted), 0, 'it goes with the finger');
  // What is under both fingers stays under them.
  await page.evaluate(() => [...document.querySelectorAll('.scales button')].find(button => button.textContent === '−').click());
  await until('two minutes', async () => Math.round(((await line(page)).to - (await line(page)).from) / 1000) === 120);
  const { left, top, width, from, to } = await line(page);
  const at = part => [left + part * width, top + 12];
  const middle = from + (to - from) / 2;
  await touch('touchStart', at(0.4), at(0.6));
  for (let n = 1; n <= 8; n++) await touch('touchMove', at(0.4 - 0.00625 * n), at(0.6 + 0.00625 * n));
  await touch('touchEnd');
  const pinched = await line(page);
  const length = pinched.to - pinched.from;
  assert.ok(Math.abs(length / (to - from) - 2 / 3) < 0.07, `${length} ms of ${to - from}`);
  assert.ok(Math.abs(pinched.from + length / 2 - middle) < 3000, `${pinched.from + length / 2 - middle} ms`);
  assert.deepEqual(errors, []);
});

test('a stream without pictures of before is asked for one, once', async t => {
  const { page, requests, close } = await chromium();
  t.after(close);
  await page.route('**/cam.jpg*', route => route.fulfill({ status: 404, body: 'none\n' }));
  await opened(page);
  const begin = await lately();
  await page.evaluate(() => document.querySelector('.timeline .line').focus());
  for (let n = 0; n < 12; n++) await page.keyboard.press('+');
  for (let n = 0; n < 10; n++) {
    await page.mouse.move(...place(await line(page), begin + 1000 + 400 * n));
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  assert.equal(requests.filter(url => /cam\.jpg\?/.test(url)).length, 1);
  assert.equal(await thumbnail(page, begin), 0);
});

test('a month of 43,200 recordings is drawn in time for each frame', async t => {
  const { page, context, close, errors } = await chromium();
  t.after(close);
  const now = Math.floor(Date.now() / 60000) * 60000;
  const time = ms => new Date(ms).toISOString();
  const month = Array.from({ length: 43200 }, (_, n) => now - (43200 - n) * 60000).map(begin => ({ from: time(begin), to: time(begin + 50000), bytes: 1, files: 1 }));
  await page.route('**/cam/rec.json*', route => route.fulfill({ json: { stream: 'cam', recording: false, trouble: null, bytes: 1, spans: month, gaps: [] } }));
  await opened(page);
  const trace = await context.newCDPSession(page);
  const events = [];
  trace.on('Tracing.dataCollected', ({ value }) => events.push(...value.filter(({ name }) => name === 'FireAnimationFrame' || name === 'FunctionCall')));
  await trace.send('Tracing.start', { traceConfig: { includedCategories: ['devtools.timeline'] } });
  const { frames, ms, shortest, longest, moved } = await page.evaluate(async () => {
    const line = document.querySelector('.timeline .line');
    const { left, top, width } = line.getBoundingClientRect();
    const begun = performance.now();
    const lengths = [];
    let frames = 0;
    // Out to a month, in to a minute, and out again: a step for each frame of the page.
    for (let n = 0; n < 300; n++) {
      await new Promise(requestAnimationFrame);
      frames++;
      const deltaY = n % 150 < 75 ? 60 : -60;
      line.dispatchEvent(new WheelEvent('wheel', { deltaY, clientX: left + width * 0.6, clientY: top + 9, bubbles: true, cancelable: true }));
      lengths.push(line.dataset.to - line.dataset.from);
    }
    const under = () => Number(line.dataset.from) + 0.6 * (line.dataset.to - line.dataset.from);
    const turned = async deltaY => {
      line.dispatchEvent(new WheelEvent('wheel', { deltaY, clientX: left + width * 0.6, clientY: top + 9, bubbles: true, cancelable: true }));
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      return under();
    };
    const ms = performance.now() - begun;
    // A week, in the middle of the month; then a part of it, about the pointer.
    document.querySelector('.scales [data-seconds="604800"]').click();
    line.dispatchEvent(new WheelEvent('wheel', { deltaX: -2 * width, clientX: left, clientY: top + 9, bubbles: true, cancelable: true }));
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const moved = [under(), await turned(-200), await turned(-200)];
    return { frames, ms, shortest: Math.min(...lengths), longest: Math.max(...lengths), moved };
  });
  const ended = new Promise(resolve => trace.once('Tracing.tracingComplete', resolve));
  await trace.send('Tracing.end');
  await ended;
  // What the thread itself had to do: a busy machine makes it wait, and not work.
  const work = events.filter(({ name }) => name === 'FireAnimationFrame').map(({ tdur, dur }) => (tdur ?? dur ?? 0) / 1000).sort((a, b) => a - b);
  const slow = work.filter(work => work > 50).length;
  t.diagnostic(`${frames} frames in ${Math.round(ms)} ms, ${((1000 * frames) / ms).toFixed(0)} a second; callbacks before a frame took ${work[work.length >> 1]?.toFixed(2)} ms of the processor, ${work[Math.floor(work.length * 0.99)]?.toFixed(2)} ms in 99 of 100, ${work.at(-1)?.toFixed(2)} ms at most; ${slow} of ${work.length} took more than 50 ms`);
  assert.ok(shortest < 7 * 86400 && longest > 29 * 86400, `${shortest} s to ${longest} s`);
  assert.ok(moved.every(time => Math.abs(time - moved[0]) < 600), `what is under the pointer: ${moved}`);
  assert.ok(work.length >= 250, `${work.length} callbacks in the trace`);
  assert.ok(slow <= 3, `${slow} frames took more than 50 ms`);
  assert.ok(work[work.length >> 1] < 16, `${work[work.length >> 1]} ms`);
  assert.deepEqual(errors, []);
});
