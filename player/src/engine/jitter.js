/** What `latency="smooth"` keeps in hand, seconds: a network that gives nothing for 400 ms is not seen. */
const SMOOTH = 0.5;
/** The most that may be asked for, seconds. */
const MOST = 30;
/** No more bytes than this wait: what is older goes on before its time. */
const MOST_BYTES = 64 << 20;
/** The quickest frame of the last one or two of these counts. */
const LEAST_MS = 5000;

/** Seconds in hand that a choice of latency means. @param {string} choice `low`, `smooth`, or seconds; what is none of them is `low` */
export function bufferTargetOf(choice) {
  const seconds = choice === 'smooth' ? SMOOTH : Number(choice);
  return seconds > 0 ? Math.min(MOST, seconds) : 0;
}

/**
 * A jitter buffer: frames go on as evenly as they were captured, so long after their capture as the quickest of them took to come, and the target. One that
 * is late by less than the target is still in time. Pure: times are arguments, `now` in monotonic ms, those of frames in seconds.
 *
 * @typedef {{time: number, data: {byteLength: number}}} Frame
 */
export class JitterBuffer {
  #frames = [];
  #bytes = 0;
  /** The least of `now` less a frame's time, in ms, in this window and in the one before. */
  #least = { lag: Infinity, before: Infinity, since: -Infinity };

  /** @param {number} [target] seconds */
  constructor(target = 0) {
    this.target = target;
  }

  /** Takes frames, and gives those that are to go on now, in the order in which they came. @param {Frame[]} frames @returns {Frame[]} */
  pass(now, frames = []) {
    if (this.target === 0 && this.#frames.length === 0) return frames;
    for (const frame of frames) this.#add(now, frame);
    const waiting = this.#frames.findIndex(frame => !this.#isDue(now, frame));
    const due = this.#frames.splice(0, waiting < 0 ? this.#frames.length : waiting);
    for (const { data } of due) this.#bytes -= data.byteLength;
    while (this.#bytes > MOST_BYTES) {
      const frame = this.#frames.shift();
      this.#bytes -= frame.data.byteLength;
      due.push(frame);
    }
    return due;
  }

  /** Nothing waits. */
  get isEmpty() {
    return this.#frames.length === 0;
  }

  /** Seconds of media that wait. */
  get seconds() {
    return this.isEmpty ? 0 : Math.max(0, this.#frames.at(-1).time - this.#frames[0].time);
  }

  /** Forgets what waits, and when frames came: others come, perhaps with other times. */
  clear() {
    this.#frames = [];
    this.#bytes = 0;
    this.#least = { lag: Infinity, before: Infinity, since: -Infinity };
  }

  #add(now, frame) {
    const least = this.#least;
    if (now - least.since > LEAST_MS) this.#least = { lag: Infinity, before: least.lag, since: now };
    this.#least.lag = Math.min(this.#least.lag, now - 1000 * frame.time);
    this.#frames.push(frame);
    this.#bytes += frame.data.byteLength;
  }

  #isDue(now, { time }) {
    return now >= 1000 * (time + this.target) + Math.min(this.#least.lag, this.#least.before);
  }
}
