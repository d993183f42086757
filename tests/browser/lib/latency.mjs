// How late the picture is, by the clock in it, over each way that it can take. For tests; scripts/latency looks at the screen itself.
import { playerIsThere, readClock, stats, useTransport, watchArrivals, watchClock } from './page.mjs';
import { idlePart, sleep, until } from './programs.mjs';

/**
 * The player, with one transport: what the clock in the picture says, and what the page says.
 * @param {{settle?: number, time?: number, every?: number}} [o] ms before anything counts, ms that count, and which pictures are read: see watchClock
 */
export async function player(page, url, transport, { settle = 2500, time = 3000, every = 1 } = {}) {
  await page.goto(url);
  await watchArrivals(page);
  await plays(page, transport);
  await watchClock(page, 'h5-live', every);
  const read = await measured(page, settle, time);
  return { ...read, stats: await stats(page) };
}

/** Lets the page's player take a transport, and waits until it plays. */
export async function plays(page, transport) {
  await useTransport(page, transport);
  await until(`${transport} plays`, async () => {
    const { state, pictures } = await stats(page);
    return state === 'playing' && pictures > 5;
  }, 20000);
}

/** A plain `<video>` or `<img>` with this address, and no code of ours. */
export async function plain(page, near, tag, src, { settle = 2500, time = 3000, every = 1 } = {}) {
  await element(page, near, tag, src);
  await watchClock(page, tag, every);
  await until('a picture', () => page.evaluate(() => window.clock.length > 0), 20000);
  return measured(page, settle, time);
}

/** A page with nothing but such an element, in place of the player that comes first. */
export async function element(page, near, tag, src) {
  await page.goto(near);
  await playerIsThere(page);
  await page.evaluate(([tag, src]) => {
    const element = document.createElement(tag);
    element.muted = true;
    element.src = src;
    document.body.replaceChildren(element);
    element.play?.();
  }, [tag, src]);
}

/** What the clock says in `time` ms, after `settle` ms. `painted`: pictures that were painted in `elapsed` ms. `idle`: the part of that time in which a processor had nothing to do. */
export async function measured(page, settle, time) {
  await sleep(settle);
  await readClock(page);
  const idle = idlePart();
  const counters = () => page.evaluate(() => ({ painted: window.painted(), at: performance.now() }));
  const before = await counters();
  await sleep(time);
  const after = await counters();
  const read = await readClock(page);
  const elapsed = after.at - before.at;
  return { ...read, painted: after.painted - before.painted, elapsed, idle: idle() };
}

/** On a machine without a free processor, what is not shown is missing for want of one. */
export const showsEnough = ({ seen, idle }, part) => seen > part || (idle < 0.1 && seen > part / 10);

/** The page tells the median of the last 15 pictures: it is no nearer to the latency of a picture than that is steady. */
export const saysTruth = ({ astray, p50, p95 }, tolerance) => Math.abs(astray) < tolerance + p95 - p50;
