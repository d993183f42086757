/**
 * How late the picture is: the capture times that ride in the stream, and the difference between the server's clock and ours.
 * Pure, as the controller is. Wall-clock times are Unix milliseconds, media times seconds.
 */

/** What a page has painted is on the screen so long after the callback before its next frame: about one refresh. */
export const COMPOSITOR_MS = 16;

/** How much later than that callback the picture is taken to be on the screen, where nothing tells: it is there within one refresh, so half of one. */
export const DISPLAY_MS = COMPOSITOR_MS / 2;

/** Our wall clock, Unix ms, as it was when the page began and as the monotonic clock went on: a clock that is set does not move it. */
export function wallNow() {
  return performance.timeOrigin + performance.now();
}

/** Two clocks go apart by no more than this: 100 ms in a thousand seconds, twice what is usual. */
const DRIFT = 1e-4;

/**
 * The server's clock, from round trips as in NTP. The server answered some time between question and answer, so that a trip is wrong by
 * half its length at most, and by what the clocks went apart since: the trip with the least of both counts. An answer that contradicts
 * it says that one of the clocks was set.
 */
export class ServerClock {
  #best = null;
  /** When the last answer came, by our clock. */
  answeredAt = -Infinity;

  /** @param {number} sent our clock when we asked @param {number} back our clock when the answer came @param {number} server the answer */
  answer(sent, back, server) {
    if (!Number.isFinite(server) || back < sent) return;
    this.answeredAt = back;
    const trip = { at: back, trip: back - sent, offset: server - (sent + back) / 2 };
    const contradicted = this.#best && Math.abs(trip.offset - this.#best.offset) > trip.trip / 2 + error(this.#best, back) + 1;
    if (!this.#best || contradicted || trip.trip / 2 <= error(this.#best, back)) this.#best = trip;
  }

  /** What to add to our clock to have the server's; null before the first answer. */
  get offset() {
    return this.#best?.offset ?? null;
  }

  /** The round trip that this is from, in ms. */
  get roundTrip() {
    return this.#best?.trip ?? null;
  }
}

/** By how much the offset of a trip may be wrong. */
function error({ trip, at }, now) {
  return trip / 2 + Math.abs(now - at) * DRIFT;
}

/**
 * Capture time of the media: its distance to media time is constant while one writer runs, so only its changes are kept, which also holds
 * for pictures whose own chunk has no time.
 */
export class CaptureTimes {
  #offsets = [];

  add(media, wall) {
    const offset = wall - media * 1000;
    const known = this.#offsets.at(-1);
    if (known && Math.abs(known.offset - offset) < 2 && known.media <= media) return;
    this.#offsets.push({ media, offset });
    if (this.#offsets.length > 256) this.#offsets.shift();
  }

  /** Wall-clock time at which the picture of this media time was captured; null where that is not known. */
  at(media) {
    const known = this.#offsets.findLast(o => o.media <= media + 0.002);
    return known ? media * 1000 + known.offset : null;
  }
}

/** The middle one of the last `size` values. */
export class Median {
  #values = [];
  #size;

  constructor(size) {
    this.#size = size;
  }

  add(value) {
    this.#values.push(value);
    if (this.#values.length > this.#size) this.#values.shift();
  }

  get value() {
    if (this.#values.length === 0) return null;
    const sorted = [...this.#values].sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
  }
}

/** Pictures that are looked back at, and how many of ten of them are in time. */
const PACE = { pictures: 40, inTime: 0.9 };

/**
 * When a picture is due that is not to be shown as soon as it is there: an encoder with B-frames gives several at once. It is due as long after its capture as
 * most pictures before it could be shown.
 */
export class Pace {
  #lags = [];

  /** The picture of this media time (seconds) is there. @returns {number} when it is due, monotonic ms as `now` */
  due(now, media) {
    this.#lags.push(now - 1000 * media);
    if (this.#lags.length > PACE.pictures) this.#lags.shift();
    return this.dueAt(media);
  }

  dueAt(media) {
    const sorted = [...this.#lags].sort((a, b) => a - b);
    return 1000 * media + sorted[Math.min(sorted.length - 1, Math.floor(PACE.inTime * sorted.length))];
  }
}

/** Waiting times between attempts: doubling from `first` to `most`, each times 0.5 to 1.5, so that many viewers do not come back at once. */
export class Backoff {
  #failures = 0;
  #random;

  constructor({ first = 250, most = 10000, random = Math.random } = {}) {
    this.first = first;
    this.most = most;
    this.#random = random;
  }

  /** Milliseconds to wait before the next attempt. */
  next() {
    const wait = Math.min(this.most, this.first * 2 ** Math.min(this.#failures++, 16));
    return wait * (0.5 + this.#random());
  }

  reset() {
    this.#failures = 0;
  }
}
