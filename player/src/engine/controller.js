import { Stalls } from './sight.js';

/**
 * What keeps a player at the live edge. Pure: times and the state of the media element come in, advice comes out; no browser is needed
 * to run it. All media times are seconds, `now` is monotonic milliseconds.
 *
 * The measure is the **margin**: the media still in hand just before the next chunk is appended. A margin that was never used for
 * some seconds is delay without use, and is played off by a slightly faster rate. How much is needed differs by browser, rate and
 * network: it is learned from stalls, and forgotten again when all was well for long enough.
 *
 * @typedef {object} View    What the media element says.
 * @property {number} time   currentTime
 * @property {number} rate   playbackRate
 * @property {boolean} paused
 * @property {boolean} seeking
 * @property {[number, number][]} ranges  buffered, in order
 *
 * @typedef {object} Advice  What to do with it; `why` is one word for the log.
 * @property {number} [seek]
 * @property {number} [rate]
 * @property {boolean} [play]
 * @property {boolean} [pause]   until the next `play`
 * @property {number} [trim]     remove what is buffered before this time
 * @property {boolean} [rebuild] the decoder does not come back: start with a new MediaSource
 * @property {string} why
 */

/** Margins above what is needed + RAISE are played off, until they are below what is needed + LOWER. */
const RAISE = 0.008;
const LOWER = 0.004;
/** What is thought to be needed at first: Chromium stalls with less than a frame and 10 ms in hand. */
const NEED = { spare: 0.012, least: 0.03, most: 0.04 };
/**
 * A picture that stood still for more than so many frames raises it to a little more than there was, but not by more than so much at once, nor above the
 * limit. A `waiting` alone teaches nothing: most are over within 16 ms, and Firefox says it with 50 ms in hand.
 */
const LESSON = { frames: 2.5, more: 0.008, step: 0.02, limit: 0.12 };
/** No margin would have bridged so long a silence of the network: the stall that it makes teaches nothing. */
const HOPELESS_MS = 250;
/** One stall often brings a few more: for so long they teach nothing, nor do those after a seek. */
const LESSON_MS = 1000;
/** So long without a stall, and half of what was learned is forgotten; where that was too early, twice that time is waited. */
const FORGET_MS = { first: 20_000, most: 320_000 };
/** Above 1.06 the speed-up can be seen in a moving picture; where delay is large, that is the lesser evil. */
const CALM = { rate: 1.06, spare: 0.15 };
const MAX_RATE = 1.24;
/**
 * Where each change of the rate is a seek of the decoder, as in WebKitGTK: pictures are shown again, and a seek beside an append has stopped the page
 * for ever. One rate is used, and from a spare that is worth it. GStreamer leaves out a picture that comes late to the screen: it needs more in hand.
 */
const COSTLY = { rate: 1.06, spare: 0.1, need: 0.06 };
/** Where more is kept in hand on purpose, the middle margin counts, as the others are what it is for. By so much below it, playback is slowed down. */
const PURPOSE = { below: 0.05, part: 0.1, rate: 0.96, lostMs: 1000 };
/** Margins are judged over this time, or over four frames where those take longer. */
const WINDOW_MS = 3000;
/** The burst of the cached group of pictures may still be arriving when playback starts: for this long one seek is allowed when behind by so much. */
const EARLY_MS = 1500;
const EARLY_BEHIND = 0.3;
/** For this long after a start, delay is played off at once. */
const HURRY_MS = 3000;
const HURRY_WINDOW_MS = 400;
/** After a stall of this length it is as at the start: browsers wait for more than is needed before they go on. */
const LONG_STALL_MS = 250;
/** This far behind, a speed-up would take too long. */
const SEEK_BEHIND = 1.0;
/** Behind by this much, the picture is not asked any more. */
const SEEK_ALWAYS = 4.0;
/** With sound: Chromium's audio path needs about this much in hand, and every change of rate is heard. */
const AUDIO_AHEAD = 0.25;
/** No picture for this long while data flows: the decoder is stuck. */
const STUCK_MS = 1500;
/** So many seeks in a row without a picture, and the MediaSource is given up. */
const STUCK_SEEKS = 3;
/** What is kept behind the playhead, and how much more may pile up before it is removed. */
const KEEP = 10;
/** At most this close to the end of a range, playback hangs at its edge. */
const BRINK = 0.06;

export class LiveEdge {
  /** @param {{chunk?: number, audio?: boolean}} [options] nominal duration of a chunk (mostly one frame); whether sound is played */
  constructor({ chunk = 1 / 30, audio = false } = {}) {
    this.chunk = chunk;
    this.audio = audio;
    /** What the viewer wants in hand besides what is needed, seconds. */
    this.target = 0;
    /** Since when less than half of it was there, as after a hole. */
    this.shortAt = null;
    /** Whether each change of the rate is a seek of the decoder. */
    this.costly = false;
    /** So long after its first media the browser is not sent elsewhere, ms. */
    this.settles = 0;
    this.stalls = new Stalls();
    this.stats = { seeks: 0, gaps: 0, stalls: 0, rates: 0 };
    this.startedAt = null;
    this.firstData = null;
    this.previewed = false;
    this.earlyUntil = 0;
    this.stalledAt = null;
    this.silence = 0;
    this.lastData = null;
    this.lastShown = null;
    this.shownTime = null;
    this.stuck = 0;
    this.margins = [];
    this.drift = 0;
    this.driftAt = null;
    this.hurryUntil = 0;
    this.lesson = { added: 0, at: 0, patience: FORGET_MS.first, eased: false };
    this.margin = 0;
  }

  /** The margin that is thought to be needed. */
  get need() {
    return Math.min(NEED.most, Math.max(NEED.least, this.chunk + NEED.spare)) + this.lesson.added + (this.costly ? COSTLY.need : 0) + this.target;
  }

  /** How far before the end of the buffer playback starts: enough that the first chunks do not underflow, which would cost delay for good. */
  get startAhead() {
    const spare = Math.min(1.5 * this.chunk, 0.08);
    return this.chunk + (this.audio ? Math.max(AUDIO_AHEAD - this.chunk, spare) : spare) + this.target;
  }

  /** So much more is wanted in hand, seconds. Where it is not there yet, playback waits for it as at the start. */
  retarget(now, view, target) {
    this.target = target;
    this.shortAt = null;
    this.margins = [];
    if (this.startedAt === null || view.ranges.length === 0) return null;
    const [begin, end] = last(view.ranges);
    if (end - begin >= this.startAhead) return { seek: end - this.startAhead, rate: 1, why: 'target' };
    this.startedAt = null;
    this.stalls.rest();
    return { pause: true, rate: 1, why: 'target' };
  }

  /** To be asked just before a chunk is appended. */
  append(now, view) {
    const since = now - (this.lastData ?? now);
    const bursting = this.lastData !== null && since < 500 * this.chunk;
    if (this.stalledAt !== null) this.silence = Math.max(this.silence, since);
    this.lastData = now;
    this.firstData ??= now;
    this.#integrateRate(now, view.rate);
    const ahead = this.#ahead(view);
    if (this.startedAt === null || view.seeking || view.paused || ahead === null) return null;
    const end = last(view.ranges)[1];
    const behind = this.shownTime === null ? ahead : end - this.chunk - this.shownTime;
    if (this.#tooFar(now, ahead, behind, bursting)) return this.#toEdge(view, 'behind', this.chunk);
    if (this.#isLost(now, ahead)) return this.retarget(now, view, this.target);
    // At low frame rates Chromium's clock lags while the picture is live: the picture decides.
    if (behind < ahead - 2 * this.chunk || this.audio) return null;
    this.margin = ahead;
    this.#forget(now);
    return this.#chase(now, ahead, view);
  }

  /** To be asked when the append is done. */
  appended(now, view) {
    if (view.ranges.length === 0) return null;
    if (this.startedAt === null) return this.#start(now, view);
    return this.#jumpGap(view) ?? this.#trim(view);
  }

  /** Another picture is on the screen; `pictures` of them since the last call. */
  shown(now, mediaTime, pictures = 1) {
    const stood = this.startedAt === null ? 0 : this.stalls.shown(now, this.chunk, pictures);
    this.stats.stalls = this.stalls.count;
    if (this.stalledAt !== null) {
      const counts = stood > 1000 * LESSON.frames * this.chunk && this.silence <= Math.max(HOPELESS_MS, 2000 * this.chunk);
      if (counts) this.#learn(now);
      if (now - this.stalledAt > LONG_STALL_MS) this.#hurry(now);
    }
    this.stalledAt = null;
    this.lastShown = now;
    this.shownTime = mediaTime;
    this.stuck = 0;
  }

  /** The element said `waiting`: what was learned about margins no longer holds. It is no stall yet: most are over before a picture is missed. */
  waiting(now) {
    if (this.startedAt === null) return null;
    if (this.stalledAt === null) [this.stalledAt, this.silence] = [now, 0];
    this.margins = [];
    return { rate: 1, why: 'waiting' };
  }

  /** To be asked a few times a second. While the page is hidden nothing is presented, and that is right so. */
  check(now, view, hidden) {
    if (hidden || this.lastData === null) {
      this.lastShown = now;
      this.stalls.rest();
      return null;
    }
    if (this.startedAt === null) return (view.ranges.length > 0 && this.#start(now, view)) || this.#preview(now, view);
    if (view.paused) {
      this.lastShown = now;
      this.stalls.rest();
      return null;
    }
    const patience = Math.max(STUCK_MS, 3000 * this.chunk);
    const flowing = now - this.lastData < Math.max(500, 2000 * this.chunk);
    if (!flowing || now - Math.max(this.lastShown ?? 0, this.startedAt) < patience) return null;
    this.lastShown = now;
    if (++this.stuck > STUCK_SEEKS) return { rebuild: true, why: 'stuck' };
    return this.#toEdge(view, 'stuck');
  }

  /** The page is visible again. */
  foreground(now, view) {
    this.lastShown = now;
    this.stalls.rest();
    if (this.startedAt === null || view.ranges.length === 0) return null;
    if (last(view.ranges)[1] - view.time < this.startAhead + 0.1) return { play: true, why: 'foreground' };
    this.#hurry(now);
    return { ...this.#toEdge(view, 'foreground'), play: true };
  }

  /** Media from the playhead to the end of the buffer; null while there is none, and at a hole, which is to be jumped first. */
  #ahead(view) {
    const range = last(view.ranges);
    return range && view.time >= range[0] - BRINK ? range[1] - view.time : null;
  }

  /** What is wanted in hand was lost, and does not come back by itself. */
  #isLost(now, ahead) {
    if (ahead >= this.target / 2) this.shortAt = null;
    else this.shortAt ??= now;
    return this.shortAt !== null && now - this.shortAt > PURPOSE.lostMs;
  }

  #start(now, view) {
    const end = last(view.ranges)[1];
    if (end - view.ranges[0][0] < this.startAhead - 0.001) return null;
    if (now - this.firstData < this.settles) return null;
    this.startedAt = now;
    this.#hurry(now);
    this.lastShown = now;
    const at = intoRange(view.ranges, end - this.startAhead);
    return { ...(Math.abs(view.time - at) > 0.001 && { seek: at }), play: true, why: 'start' };
  }

  /** A slow stream (time-lapse) shows its first picture while the second one is awaited. */
  #preview(now, view) {
    if (this.previewed || view.ranges.length === 0 || now - this.firstData < 300) return null;
    this.previewed = true;
    return { seek: last(view.ranges)[0], why: 'preview' };
  }

  #tooFar(now, ahead, behind, bursting) {
    const early = now < this.earlyUntil;
    if (early && bursting) return false;
    const limit = early ? Math.max(EARLY_BEHIND, this.startAhead + 3 * this.chunk) : Math.max(SEEK_BEHIND, 2.5 * this.chunk) + this.target;
    if (!(ahead > limit && behind > limit) && ahead < Math.max(SEEK_ALWAYS, 4 * this.chunk) + this.target) return false;
    this.earlyUntil = 0;
    return true;
  }

  #hurry(now) {
    this.earlyUntil = now + EARLY_MS;
    this.hurryUntil = now + HURRY_MS;
    this.lesson.at = now;
  }

  /** This margin was too small. */
  #learn(now) {
    const { lesson } = this;
    if (this.audio || now - lesson.at < LESSON_MS) return;
    if (lesson.eased) lesson.patience = Math.min(FORGET_MS.most, 2 * lesson.patience);
    const wanted = Math.min(Math.max(this.margin, this.need), this.need + LESSON.step) + LESSON.more;
    this.lesson = { ...lesson, added: Math.min(LESSON.limit, lesson.added + wanted - this.need), at: now, eased: false };
  }

  #forget(now) {
    const { lesson } = this;
    if (lesson.added === 0 || now - lesson.at < lesson.patience) return;
    this.lesson = { ...lesson, added: lesson.added < 2 * LESSON.more ? 0 : lesson.added / 2, at: now, eased: true };
  }

  /** @param {number} coming  what is going to be appended after the end */
  #toEdge(view, why, coming = 0) {
    this.stats.seeks++;
    this.margins = [];
    this.lesson.at = Math.max(this.lesson.at, this.lastData ?? 0);
    return { seek: intoRange(view.ranges, last(view.ranges)[1] + coming - this.startAhead), rate: 1, why };
  }

  /** Playing at 1.04 for a second uses up 40 ms of margin: `drift` puts margins measured at different rates on one scale. */
  #integrateRate(now, rate) {
    if (this.driftAt !== null) this.drift += ((rate - 1) * (now - this.driftAt)) / 1000;
    this.driftAt = now;
  }

  #chase(now, ahead, view) {
    const window = Math.max(WINDOW_MS, 4000 * this.chunk);
    this.margins.push([now, ahead + this.drift]);
    while (now - this.margins[0][0] > window) this.margins.shift();
    const margins = this.margins.map(m => m[1]);
    const spare = (this.target > 0 ? middle(margins) : Math.min(...margins)) - this.drift - this.need;
    const hurry = now < this.hurryUntil;
    const known = now - this.margins[0][0] > (hurry ? HURRY_WINDOW_MS : window / 3);
    let rate = 1;
    if (this.costly) rate = (known && spare > COSTLY.spare) || (view.rate > 1 && spare > LOWER) ? COSTLY.rate : 1;
    else if (known && spare > RAISE) rate = hurry || spare > CALM.spare ? Math.min(MAX_RATE, 1.02 + spare) : Math.min(CALM.rate, 1.02 + Math.max(0, (spare - 0.05) * 0.4));
    else if (view.rate > 1 && spare > LOWER) rate = 1.02;
    else if (this.target > 0 && spare < (view.rate < 1 ? 0 : -Math.max(PURPOSE.below, PURPOSE.part * this.target))) rate = PURPOSE.rate;
    rate = Math.round(rate * 50) / 50;
    if (rate === view.rate) return null;
    this.stats.rates++;
    return { rate, why: 'margin' };
  }

  /** A browser waits for ever at a hole in the timeline. */
  #jumpGap(view) {
    const next = view.ranges.findIndex(r => r[0] > view.time);
    const inside = view.ranges.some(r => r[0] <= view.time && view.time < r[1] - BRINK);
    if (next < 0 || inside || view.seeking) return null;
    const end = last(view.ranges)[1];
    if (end - view.ranges[next][0] < this.startAhead) return null;
    this.stats.gaps++;
    this.margins = [];
    return { seek: intoRange(view.ranges, Math.max(view.ranges[next][0], end - this.startAhead)), why: 'gap' };
  }

  #trim(view) {
    if (view.ranges[0][0] > view.time - 2 * KEEP) return null;
    return { trim: view.time - KEEP, why: 'trim' };
  }
}

function last(list) {
  return list[list.length - 1];
}

function middle(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** The time itself where something is buffered, else the start of the next range; a hair inside, as ranges are rounded. */
function intoRange(ranges, time) {
  const range = ranges.find(r => time < r[1]) ?? last(ranges);
  return time >= range[0] ? time : range[0] + 0.001;
}
