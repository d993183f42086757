import { Median, wallNow } from './clock.js';

/** A latency that is suddenly another one by so much may come of a clock that was set. */
const DOUBT_MS = 500;
const PICTURES = 15;

/** From capture to screen. Capture times and the server's time come by different ways: where one of them was set, it is not believed before both are known anew. */
export class Latency {
  #clock;
  #values = new Median(PICTURES);
  /** Since when it is doubted; the server has been asked for its time. */
  #doubtAt = null;

  /** @param {import('./clock.js').ServerClock} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  /** In ms; null while it is not known. */
  get value() {
    return this.#values.value;
  }

  /** Other pictures come. */
  reset() {
    this.#values = new Median(PICTURES);
  }

  /** A picture is on the screen so many ms after it was captured; `ask` asks the server for its time. */
  add(latency, ask) {
    const doubtful = this.value !== null && Math.abs(latency - this.value) > DOUBT_MS;
    if (!doubtful) this.#doubtAt = null;
    else if (this.#doubtAt === null) {
      this.#doubtAt = wallNow();
      ask();
    }
    if (doubtful && this.#clock.answeredAt < this.#doubtAt) return;
    if (doubtful) this.reset();
    this.#values.add(latency);
  }
}
