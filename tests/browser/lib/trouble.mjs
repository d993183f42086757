// What a viewer sees while something is wrong, by the clock in the picture: how old the picture on the screen is, and whether the page says so when it
// stands still.
import { idleMs } from './programs.mjs';

/** A picture older than this is late; it may be so for that long. */
const LATE = { age: 1000, ms: 3000 };
/** A note is taken so often. */
const EVERY_MS = 100;
/** Where processors had no more than this part of the time to spare, the machine is late: then how old the picture is says nothing of the player. */
const BUSY = { idle: 0.1, times: 3 };
/** A picture that stands for so long, and the page has said nothing: it says so after half a second, a machine that others use gets a second more. */
const SILENT_MS = 1500;

/** In the page, beside `watchClock`: notes ten times a second what is seen, in `window.sights`. Nothing is seen of a hidden page. */
export async function watchSights(page) {
  asked.set(page, { at: Date.now(), idle: idleMs() });
  await page.evaluate(takeNotes, EVERY_MS);
}

/** When the sights of a page were asked for the last time, and how long processors had been idle by then. */
const asked = new WeakMap();

function takeNotes(every) {
  const host = document.querySelector('h5-live');
  const wall = () => performance.timeOrigin + performance.now();
  let newest = null;
  let since = wall();
  window.sights = [];
  setInterval(() => {
    const read = window.clock.findLast(Boolean);
    const now = wall();
    if (read && (newest === null || read.time !== newest.time)) [newest, since] = [read, now];
    if (document.hidden || newest === null) return void (since = now);
    const age = ((now - newest.time) % 2 ** 32 + 1.5 * 2 ** 32) % 2 ** 32 - 2 ** 31;
    const { state, transport, why, reason, reconnects, dropped } = host.stats;
    const spins = host.shadowRoot.querySelector('.spinner').checkVisibility();
    window.sights.push({ at: now, age, stands: now - since, state, transport, why, reason, reconnects, dropped, spins, said: state !== 'playing' || spins });
  }, every);
}

/**
 * What was seen since the last call: for how long at a stretch the picture was older than a second, or than `age`, for how long it stood still, and for how long without
 * a word; ms. `ages`: the median and the greatest; `states`: all there were; `now`: the last note.
 */
export async function sights(page, age = LATE.age) {
  const seen = await page.evaluate(() => {
    window.clock.splice(0, window.clock.length - 1);
    return window.sights.splice(0);
  });
  // A page that gets no processor takes no notes: that time is not the player's.
  const stretch = is => {
    let [longest, notes] = [0, 0];
    for (const each of seen) longest = Math.max(longest, (notes = is(each) ? notes + 1 : 0));
    return longest * EVERY_MS;
  };
  const [at, idle] = [Date.now(), idleMs()];
  const before = asked.get(page);
  asked.set(page, { at, idle });
  const ages = seen.map(each => Math.round(each.age)).sort((a, b) => a - b);
  return {
    late: stretch(each => each.age > age),
    stood: Math.round(Math.max(0, ...seen.map(each => each.stands))),
    silent: stretch(each => each.stands > 1000 && !each.said),
    ages: { p50: ages[ages.length >> 1], max: ages.at(-1) },
    states: [...new Set(seen.map(each => each.state))],
    transports: [...new Set(seen.map(each => each.transport))],
    reasons: [...new Set(seen.map(each => each.reason))].filter(Boolean),
    reconnects: (seen.at(-1)?.reconnects ?? 0) - (seen[0]?.reconnects ?? 0),
    dropped: seen.at(-1)?.dropped,
    idle: Math.round((100 * (idle - before.idle)) / (at - before.at)) / 100,
    now: seen.at(-1),
  };
}

/** What is wrong with that; '' when nothing is. */
export function fault({ late, silent, idle }) {
  const times = idle < BUSY.idle ? BUSY.times : 1;
  if (late > LATE.ms && idle >= BUSY.idle) return `too old for ${late} ms`;
  return silent > (SILENT_MS - 1000) * times ? `stood still without a word for ${silent + 1000} ms` : '';
}
