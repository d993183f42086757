// How late the picture is, by the clock in it, over each way that it can take. For tests and for scripts/latency.
import { readClock, stats, watchClock } from './page.mjs';
import { sleep, until } from './programs.mjs';

/**
 * The player, with one transport: what the clock in the picture says, and what the page says.
 * @param {{settle?: number, time?: number}} [o] ms before anything counts, and ms that count
 */
export async function player(page, url, transport, { settle = 2500, time = 3000 } = {}) {
  await page.goto(url);
  await page.evaluate(transport => (document.querySelector('h5-live').transport = transport), transport);
  await until(`${transport} plays`, async () => {
    const { state, pictures } = await stats(page);
    return state === 'playing' && pictures > 5;
  }, 20000);
  await watchClock(page);
  const read = await measured(page, settle, time);
  return { ...read, stats: await stats(page) };
}

/** A plain `<video>` or `<img>` with this address, and no code of ours. */
export async function plain(page, near, tag, src, { settle = 2500, time = 3000 } = {}) {
  await page.goto(near);
  await page.evaluate(([tag, src]) => {
    const element = document.createElement(tag);
    element.muted = true;
    element.src = src;
    document.body.replaceChildren(element);
    element.play?.();
  }, [tag, src]);
  return watched(page, tag, { settle, time });
}

/** What the clock in the element's pictures says. */
export async function watched(page, selector, { settle, time }) {
  await watchClock(page, selector);
  await until('a picture', () => page.evaluate(() => window.clock.length > 0), 20000);
  return measured(page, settle, time);
}

async function measured(page, settle, time) {
  await sleep(settle);
  await readClock(page);
  await sleep(time);
  return readClock(page);
}
