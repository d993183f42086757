/** A report goes out this often while pictures come; sooner when something has happened, but never at once again. */
const REPORT_MS = { calm: 5000, news: 1000 };
/** The server counts no more stalls of one report than this. */
const MOST_STALLS = 32;
/** Characters of an error. The server takes no more, and closes the connection at a message of 4 KiB. */
const MOST_ERROR = 200;
/** States in which a picture that stands still is no fault between camera and screen. */
const RESTS = ['idle', 'connecting', 'waiting', 'paused', 'blocked'];

/**
 * Tells the server how the picture is doing here: latency, how long it stood still, pictures that were not shown, errors. What could not be
 * sent, as while there is no connection, is sent later. It holds no clock: times are arguments.
 */
export class Reporter {
  #at = -Infinity;
  #still = null;
  #stalls = [];
  #errors = 0;
  #error = '';
  #failing = false;
  #dropped = new Growth();
  #restarts = new Growth();
  #pictures = 0;

  /** The playback has another state now. */
  note(now, state, reason = '') {
    const failing = state === 'reconnecting' || state === 'unplayable';
    if (failing && !this.#failing) {
      this.#errors++;
      this.#error = reason.slice(0, MOST_ERROR);
    }
    this.#failing = failing;
    if (state === 'playing' && this.#still !== null) this.#stalls.push(Math.round(now - this.#still));
    if (state === 'playing' || RESTS.includes(state)) this.#still = null;
    // What never played does not stand still.
    else if (this.#pictures > 0) this.#still ??= now;
  }

  /**
   * To be called a few times a second.
   * @param {number} now
   * @param {object} stats  of the session
   * @param {{opened: boolean, send: (message: object) => void} | undefined} link
   */
  tick(now, { transport, latency, pictures, unshown = 0, resyncs = 0 }, link) {
    this.#dropped.at(unshown);
    this.#restarts.at(resyncs);
    const moving = pictures > this.#pictures;
    this.#pictures = Math.max(this.#pictures, pictures);
    const news = this.#stalls.length > 0 || this.#errors > 0 || this.#restarts.sum > 0;
    if (!link?.opened || now - this.#at < (news ? REPORT_MS.news : REPORT_MS.calm) || !(news || moving)) return;
    this.#at = now;
    const errors = this.#errors + this.#restarts.take();
    link.send({
      type: 'h5live/report',
      value: {
        transport,
        // A picture that stands has no latency.
        ...(moving && latency !== null && { latency: Math.max(0, Math.round(latency)) }),
        ...(this.#stalls.length && { stalls: this.#stalls.splice(0, MOST_STALLS) }),
        ...(this.#dropped.sum && { dropped: this.#dropped.take() }),
        ...(errors && { errors, error: this.#error || 'the decoder was started again' }),
      },
    });
    this.#errors = 0;
    this.#error = '';
  }
}

/** How much a counter has grown that now and then begins at 0 again. */
class Growth {
  #last = 0;
  sum = 0;

  at(count) {
    this.sum += count >= this.#last ? count - this.#last : count;
    this.#last = count;
  }

  take() {
    const { sum } = this;
    this.sum = 0;
    return sum;
  }
}
