// What scripts/latency --first runs: how long a visitor waits for the first picture, from navigation, with empty caches and at a second visit.
import { parseArgs } from 'node:util';
import { engines } from './lib/browsers.mjs';
import { Bench, Server, sleep, until } from './lib/programs.mjs';

const { values: options } = parseArgs({
  options: { first: { type: 'boolean' }, loads: { type: 'string', default: '20' }, rate: { type: 'string', default: '30' }, size: { type: 'string', default: '640x360' }, browser: { type: 'string', default: '' } },
});
/** Of a screen with 60 pictures a second: what was drawn before a callback is seen with the frame that it begins. */
const FRAME_MS = 1000 / 60;
/** A browser that has just started has other things to do. */
const CALM_MS = 1500;
const bench = new Bench();

/** One visit; ms from navigation until the picture is on the screen. */
async function visit(page, url) {
  await page.goto(url);
  // What is drawn before the player is there says so by a mark.
  const shown = () => performance.getEntriesByName('first-picture')[0]?.startTime ?? window.firstPicture ?? null;
  const first = await until('the first picture', () => page.evaluate(shown), 20000);
  await page.goto('about:blank').catch(() => {});
  await sleep(500);
  return first + FRAME_MS;
}

function row(name, times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = part => `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))])}`.padStart(8);
  console.log(`${name.padEnd(34)}${at(0.5)}${at(0.9)}${at(1)}   ${sorted.length} loads`);
}

try {
  const server = await Server.start(bench, ['cam']);
  server.feed('cam', options);
  await server.live('cam');
  console.log(`${options.size} at ${options.rate} pictures a second; ms from navigation to the first picture on the screen`);
  console.log(`\n${''.padEnd(34)}  median     p90     max`);
  for (const { name, open } of engines.filter(b => b.name.toLowerCase().includes(options.browser.toLowerCase()))) {
    const [cold, warm] = [[], []];
    for (let i = 0; i < Number(options.loads); i++) {
      const { page, close } = await open();
      try {
        await sleep(CALM_MS);
        cold.push(await visit(page, server.url('cam')));
        warm.push(await visit(page, server.url('cam')));
      } finally {
        await close();
      }
    }
    row(`${name}, a new profile`, cold);
    row(`${name}, the second visit`, warm);
  }
} finally {
  await bench.close();
}
