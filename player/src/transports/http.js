import { wallNow } from '../engine/clock.js';
import { pictureCounts } from '../engine/sight.js';
import { turnElement } from '../engine/orientation.js';
import { Transport } from './transport.js';

/**
 * Plain HTTP, for where MediaSource is missing or no WebSocket gets through: endless fragmented MP4 in `<video>`, about a second late, and
 * multipart JPEG in `<img>`. The browser alone reads the stream, so there is little to watch and nothing to steer.
 */
class HttpTransport extends Transport {
  detach = new AbortController();

  constructor(element, events) {
    super();
    this.element = element;
    turnElement(element, null);
    this.events = events;
  }

  on(name, run) {
    this.element.addEventListener(name, run, { signal: this.detach.signal });
  }

  stop() {
    this.detach.abort();
    clearInterval(this.timer);
  }

  shown() {
    this.events.shown({ captured: null, at: wallNow() });
  }

  fail(reason, options = {}) {
    if (this.detach.signal.aborted) return;
    this.stop();
    this.events.failed(reason, options);
  }
}

export class Mp4Transport extends HttpTransport {
  static label = 'MP4';
  static sound = true;

  #seen = false;
  #movedAt = performance.now();

  /** @param {HTMLVideoElement} video @param {{mp4: string}} options @param {import('./transport.js').TransportEvents} events */
  constructor(video, { mp4 }, events) {
    super(video, events);
    this.on('timeupdate', () => this.#moved());
    this.on('ended', () => this.fail('the stream ended'));
    this.on('error', () => this.fail(video.error?.message || 'the browser cannot play this', { unplayable: !this.#seen }));
    video.srcObject = null;
    video.src = mp4;
    this.foreground();
    this.timer = setInterval(() => this.#watch(), 500);
  }

  foreground() {
    this.element.play().catch(error => error.name === 'NotAllowedError' && this.events.blocked());
  }

  get hasSound() {
    return true;
  }

  get signal() {
    return this.#seen ? 'currentTime' : '';
  }

  get unshown() {
    return pictureCounts(this.element).dropped;
  }

  /** Without this the browser would go on reading. */
  stop() {
    super.stop();
    this.events.leaving();
    this.element.removeAttribute('src');
    this.element.load();
  }

  #moved() {
    if (this.element.currentTime === 0) return;
    this.#seen = true;
    this.#movedAt = performance.now();
    this.shown();
  }

  #watch() {
    const still = this.element.paused || document.hidden;
    if (still) this.#movedAt = performance.now();
    if (performance.now() - this.#movedAt > 10000) this.fail('no data from the server', { unplayable: !this.#seen });
  }
}

export class MultipartTransport extends HttpTransport {
  static label = 'MJPEG (HTTP)';
  static surface = 'image';

  codecs = 'mjpeg';

  /** @param {HTMLImageElement} image @param {{mjpg: string}} options @param {import('./transport.js').TransportEvents} events */
  constructor(image, { mjpg }, events) {
    super(image, events);
    this.on('load', () => this.#loaded());
    this.on('error', () => this.fail('the server cannot be reached', { unplayable: true }));
    image.src = mjpg;
  }

  /** Firefox says `load` for each picture, Chromium only for the first one: from then on the picture is taken to be there. */
  #loaded() {
    this.shown();
    this.timer ??= setInterval(() => this.shown(), 250);
  }

  get signal() {
    return this.timer ? 'load' : '';
  }

  stop() {
    super.stop();
    this.events.leaving();
    this.element.removeAttribute('src');
  }
}
