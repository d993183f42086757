// Sound in step with the picture, by the beep of the test source and the number of the frame in its picture: over WebCodecs, where the player itself
// keeps them together. Firefox plays no sound without a device, and WebKitGTK says nothing of when its sound is heard.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from '../lib/browsers.mjs';
import { lips, watchLips } from '../lib/lips.mjs';
import { overlay } from '../lib/overlay.mjs';
import { click, stats, watchClock } from '../lib/page.mjs';
import { Bench, Server, idlePart, until } from '../lib/programs.mjs';

const RATE = 30;
const LIPS_MS = 20;
/** A frame, and as much as the figures of the page differ; on a machine without a free processor all that is held at most. */
const MORE_MS = { free: 1000 / RATE + 20, busy: 500 };
const bench = new Bench();
let server;
let front;

before(async () => {
  server = await Server.start(bench);
  server.feed('cam', { rate: String(RATE) });
  await server.live();
  // The audio thread's module does not come by way of the page's requests: the working tree's comes from in front of the server.
  front = await overlay(server.url());
});
after(async () => {
  front?.close();
  await bench.close();
});

for (const [choice, seconds] of [['low', 0], ['1', 1]]) test(`Chromium, over WebCodecs, latency="${choice}": a beep is heard when its picture is seen`, async t => {
  const { page, close } = await chromium();
  t.after(close);
  await page.goto(front.url(server.url('cam')));
  await until('pictures', async () => (await stats(page)).pictures > 30, 20000);
  const alone = (await stats(page)).latency;
  await watchClock(page);
  await watchLips(page);
  await page.evaluate(choice => (document.querySelector('h5-live').latency = choice), choice);
  const idle = idlePart();
  await click(page, '.pill');
  // The first ones come while the sound finds out how much it has to hold.
  const apart = await until('ten beeps', async () => {
    const { apart } = await lips(page, RATE);
    return apart.length >= 10 && apart.slice(3);
  }, 60000);
  const { transport, sound, latency } = await stats(page);
  const middle = apart.toSorted((a, b) => a - b)[apart.length >> 1];
  const free = idle();
  t.diagnostic(`pictures are ${apart.map(Math.round).join(', ')} ms after their beeps; ${Math.round(latency)} ms late with sound, ${Math.round(alone)} ms without; processors idle ${free.toFixed(2)}`);
  assert.deepEqual([transport, sound], ['WebCodecs', true]);
  assert.ok(Math.abs(middle) < LIPS_MS, `${middle} ms`);
  const more = latency - alone - 1000 * seconds;
  assert.ok(Math.abs(more) < (free > 0.3 && seconds === 0 ? MORE_MS.free : MORE_MS.busy), `${latency} ms, ${alone} ms without sound`);
});
