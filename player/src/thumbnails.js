import { h } from './h5live.js';

/** The tip above the time line: when it was, and the picture of that moment, the keyframe that was on the screen then. */

/** After a key it is there for so long, ms. */
const TOLD_MS = 2000;
/** Moments this close are one, seconds. The later end counts: behind the begin of what there is, not before it. */
const STEP_S = 1;
const EVERY_MS = 150;
/** Of a picture, pixels; it is shown at half of that. */
const WIDTH = 320;
/** So many are kept, of some 10 KB each. */
const KEPT = 60;

export class Tip {
  #moment = h('span');
  #thumbnails;
  /** Where it points to, as a part of the line. */
  #at = 0;
  #telling = 0;
  element = h('div', { class: 'tip', 'aria-hidden': 'true', hidden: '' }, this.#moment);

  /** @param {string} name  of the stream */
  constructor(name) {
    this.#thumbnails = new Thumbnails(name, () => this.#place());
    this.element.prepend(this.#thumbnails.element);
  }

  /** @param {number} at  part of the line @param {string} text @param {number | null} time  of the picture, Unix seconds @param {boolean} briefly */
  show(at, text, time, briefly) {
    clearTimeout(this.#telling);
    if (briefly) this.#telling = setTimeout(() => this.hide(), TOLD_MS);
    this.#at = at;
    this.#moment.textContent = text;
    this.element.hidden = false;
    this.#thumbnails.want(time);
    this.#place();
  }

  hide() {
    clearTimeout(this.#telling);
    this.element.hidden = true;
    this.#thumbnails.want(null);
  }

  close() {
    this.hide();
    this.#thumbnails.close();
  }

  /** As wide as it is, it stays above the line. */
  #place() {
    const half = this.element.offsetWidth / 2;
    const width = this.element.parentElement?.clientWidth ?? 0;
    this.element.style.left = `${Math.max(half, Math.min(width - half, this.#at * width))}px`;
  }
}

/** Pictures of moments. The last wish counts, one is asked for at a time, and what came is kept. */
class Thumbnails {
  #address;
  #changed;
  element = new Image();
  /** The moment that is wanted; null: none is. */
  #at = null;
  /** Addresses of what came, the one that was shown last at the end; '': there is none of that moment. */
  #kept = new Map();
  #asking = null;
  #askedAt = -Infinity;
  #timer = 0;
  /** One came. */
  #came = false;
  /** There are none of this stream, or they are not for who asks. */
  #none = false;

  /** @param {string} name  of the stream @param {() => void} changed  another picture is shown, or none */
  constructor(name, changed) {
    this.#address = `${encodeURIComponent(name)}.jpg?width=${WIDTH}&at=`;
    this.#changed = changed;
    this.element.alt = '';
    this.element.hidden = true;
  }

  /** @param {number | null} time  Unix seconds */
  want(time) {
    const at = time === null || this.#none ? null : Math.ceil(time / STEP_S) * STEP_S;
    if (at === this.#at) return;
    this.#at = at;
    if (at === null) this.#drop();
    this.#show();
    this.#next();
  }

  close() {
    this.want(null);
    for (const address of this.#kept.values()) URL.revokeObjectURL(address);
    this.#kept.clear();
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#asking?.abort();
    this.#asking = null;
  }

  #show() {
    const address = this.#kept.get(this.#at);
    if (address) {
      this.element.src = address;
      this.#keep(this.#at, address);
    }
    this.element.hidden = this.#at === null || address === '' || !this.element.src;
    // The one before stays until this one comes, and does not look like it.
    this.element.classList.toggle('old', !address);
    this.#changed();
  }

  #next() {
    if (this.#at === null || this.#kept.has(this.#at) || this.#timer || this.#asking?.at === this.#at) return;
    const wait = this.#askedAt + EVERY_MS - performance.now();
    if (wait <= 0) return this.#ask(this.#at);
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#next();
    }, wait);
  }

  async #ask(at) {
    // The pointer has gone on.
    this.#drop();
    const asking = (this.#asking = Object.assign(new AbortController(), { at }));
    this.#askedAt = performance.now();
    const answer = await fetch(this.#address + new Date(1000 * at).toISOString(), { signal: asking.signal }).catch(() => null);
    const picture = answer?.ok ? await answer.blob().catch(() => null) : null;
    if (this.#asking !== asking) return;
    this.#asking = null;
    if (picture) {
      this.#came = true;
      this.#keep(at, URL.createObjectURL(picture));
    } else if (answer?.status === 404 && this.#came) this.#keep(at, '');
    else if ([401, 403, 404].includes(answer?.status)) {
      this.#none = true;
      return this.want(null);
    }
    if (this.#at === at) this.#show();
    else this.#next();
  }

  #keep(at, address) {
    this.#kept.delete(at);
    this.#kept.set(at, address);
    if (this.#kept.size <= KEPT) return;
    const [oldest] = this.#kept;
    URL.revokeObjectURL(oldest[1]);
    this.#kept.delete(oldest[0]);
  }
}
