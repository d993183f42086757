/** So many losses within this time, and the network carries less than the stream. */
const LOSSES = { times: 2, ms: 15_000 };
/** So long without a loss, and a better quality is tried; twice as long each time that it did not come through. */
const STEADY_MS = { first: 30_000, most: 600_000 };

/** In which quality a stream is asked for, where it has several: the one that was chosen, or the best that comes through. Times are arguments. */
export class Quality {
  #chosen = 'auto';
  /** Names, the best first. */
  #names = [];
  #level = 0;
  #losses = [];
  #lost = 0;
  #calmSince = null;
  #calm = STEADY_MS.first;
  /** It was raised by itself, and has not come through for long enough. */
  #onTrial = false;

  get chosen() {
    return this.#chosen;
  }

  get names() {
    return this.#names;
  }

  /** Which one to ask for; '' leaves it to the server. */
  get name() {
    if (this.#chosen !== 'auto') return this.#names.length === 0 || this.#names.includes(this.#chosen) ? this.#chosen : '';
    return this.#level > 0 ? (this.#names[this.#level] ?? '') : '';
  }

  /** @param {string} name  `auto` or that of a quality */
  choose(name) {
    this.#chosen = name || 'auto';
    this.#level = 0;
    this.#calm = STEADY_MS.first;
    this.#begin();
  }

  /** What the server has. @param {string[]} names  the best first */
  offer(names) {
    if (names.join() === this.#names.join()) return;
    this.#names = names;
    this.#level = Math.min(this.#level, Math.max(0, names.length - 1));
  }

  /** Another connection counts from zero. */
  #begin() {
    this.#losses = [];
    this.#lost = 0;
    this.#calmSince = null;
  }

  /**
   * To be called a few times a second while there are pictures.
   * @param {number} now  ms
   * @param {number} lost  frames that the server has left out on this connection
   * @returns {boolean} another quality is to be asked for
   */
  tick(now, lost) {
    this.#calmSince ??= now;
    if (lost > this.#lost) {
      this.#losses.push(now);
      this.#calmSince = now;
    }
    this.#lost = lost;
    if (this.#chosen !== 'auto' || this.#names.length < 2) return false;
    this.#losses = this.#losses.filter(at => now - at < LOSSES.ms);
    if (this.#losses.length >= LOSSES.times && this.#level < this.#names.length - 1) {
      if (this.#onTrial) this.#calm = Math.min(STEADY_MS.most, 2 * this.#calm);
      return this.#move(1);
    }
    if (now - this.#calmSince < this.#calm) return false;
    if (this.#onTrial) this.#calm = STEADY_MS.first;
    this.#onTrial = false;
    return this.#level > 0 && this.#move(-1);
  }

  #move(step) {
    this.#level += step;
    this.#onTrial = step < 0;
    this.#begin();
    return true;
  }
}
