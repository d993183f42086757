import { COMPOSITOR_MS, wallNow } from './clock.js';
import { Link, isSoon } from './link.js';

/**
 * JPEG pictures over WebSocket into an `<img>`, the newest only: a picture that comes while another one is being decoded replaces the one
 * that waits. Unlike a multipart `<img>` it notices when pictures stop coming, and keeps the last one when the connection breaks.
 */
export class JpegTransport {
  static label = 'MJPEG';
  static surface = 'image';
  static sound = false;
  static refusal = () => '';

  hasSound = false;
  codecs = 'mjpeg';
  dropped = 0;
  #image;
  #events;
  #next = null;
  #captured = null;
  #busy = false;
  #stopped = false;

  /** @param {HTMLImageElement} image @param {{ws: string, clock: object}} options @param {import('./mse.js').TransportEvents} events */
  constructor(image, { ws, clock }, events) {
    this.#image = image;
    this.#events = events;
    this.link = new Link(ws, { open: () => this.link.send({ type: 'mjpeg' }), message: m => this.#message(m), data: d => this.#data(d), closed: (r, c) => this.#fail(r, { soon: isSoon(c), unreachable: !this.link.opened }) }, clock);
  }

  stop() {
    this.#stopped = true;
    this.link.stop();
  }

  foreground() {}

  #message({ type, value }) {
    if (type === 'error') this.#refused(String(value));
    else if (type === 'captured') this.#captured = Number.isFinite(value) ? value : null;
    else if (type === 'stream') this.#events.info(value);
  }

  #refused(reason) {
    const movie = reason.includes('not MJPEG');
    this.#fail(movie ? 'the stream is not MJPEG' : reason, { unplayable: true, ...(movie && { kind: 'movie' }) });
  }

  #data(data) {
    if (this.#next) this.dropped++;
    this.#next = { data, captured: this.#captured };
    this.#captured = null;
    if (!this.#busy) this.#show();
  }

  async #show() {
    this.#busy = true;
    while (this.#next && !this.#stopped) {
      const { data, captured } = this.#next;
      const address = URL.createObjectURL(new Blob([data], { type: 'image/jpeg' }));
      this.#next = null;
      this.#image.src = address;
      // A damaged picture is skipped: the next one is whole again.
      const whole = await this.#image.decode().then(() => true, () => false);
      URL.revokeObjectURL(address);
      if (whole && !this.#stopped) requestAnimationFrame(() => this.#stopped || this.#events.shown({ captured, at: wallNow() + COMPOSITOR_MS }));
    }
    this.#busy = false;
  }

  #fail(reason, options) {
    if (this.#stopped) return;
    this.stop();
    this.#events.failed(reason, options);
  }
}
