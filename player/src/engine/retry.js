import { Backoff } from './clock.js';

/** The next attempt, after a while. */
export class Retry {
  #run;
  #backoff = new Backoff();
  #timer = 0;
  #at = null;

  /** @param {() => void} run */
  constructor(run) {
    this.#run = run;
  }

  /** Milliseconds to it; null when none is due. */
  get in() {
    return this.#at === null ? null : Math.max(0, this.#at - performance.now());
  }

  /** After this time, ms; without one, after one that grows with each failure. */
  wait(ms = this.#backoff.next()) {
    this.#at = performance.now() + ms;
    this.#timer = setTimeout(this.#run, ms);
  }

  cancel() {
    clearTimeout(this.#timer);
    this.#at = null;
  }

  /** It works: failures are counted anew. */
  reset() {
    this.#backoff.reset();
  }
}
