import { wallNow } from '../engine/clock.js';
import { isWebKitGtk, pictureCounts } from '../engine/sight.js';
import { turnElement } from '../engine/orientation.js';
import { Transport } from './transport.js';

/**
 * Plain HTTP, for where MediaSource is missing or no WebSocket gets through: endless fragmented MP4 in `<video>`, about a second late, and
 * multipart JPEG in `<img>`; and HLS for browsers that play it by themselves, some seconds late. The browser alone reads the stream, so there is little to watch and nothing to steer.
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
  constructor(video, { mp4 }, events, address = mp4) {
    super(video, events);
    this.on('timeupdate', () => this.#moved());
    this.on('ended', () => this.fail('the stream ended'));
    this.on('error', () => this.fail(video.error?.message || 'the browser cannot play this', { unplayable: !this.#seen }));
    video.srcObject = null;
    video.src = address;
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

/** What canPlayType is asked. */
const PLAYLIST = 'application/vnd.apple.mpegurl';

/** HLS, which iPhones play by themselves. They do not play the MP4 above, as it has no end. */
export class HlsTransport extends Mp4Transport {
  static label = 'HLS';

  static refusal() {
    return document.createElement('video').canPlayType(PLAYLIST) ? '' : 'this browser plays no HLS by itself';
  }

  /** Whether it is to be tried before the endless MP4. */
  static get isFirst() {
    return navigator.vendor.startsWith('Apple') && !isWebKitGtk() && this.refusal() === '';
  }

  /** @param {HTMLVideoElement} video @param {{hls: string}} options @param {import('./transport.js').TransportEvents} events */
  constructor(video, { hls }, events) {
    super(video, {}, events, hls);
  }

  /** The playlist has the wall-clock time of its media; Safari tells where that begins. */
  shown() {
    const begin = this.element.getStartDate?.().getTime() ?? NaN;
    this.events.shown({ captured: Number.isNaN(begin) ? null : begin + 1000 * this.element.currentTime, at: wallNow() });
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
