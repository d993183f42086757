import { COMPOSITOR_MS, Median, wallNow } from '../engine/clock.js';
import { Stalls } from '../engine/sight.js';
import { Link, isSoon } from './link.js';
import { Transport } from './transport.js';
import { poseOfPictures, turnElement } from '../engine/orientation.js';

/**
 * JPEG pictures over WebSocket into an `<img>`, the newest only: a picture that comes while another one is being decoded replaces the one
 * that waits. Unlike a multipart `<img>` it notices when pictures stop coming, and keeps the last one when the connection breaks.
 */
export class JpegTransport extends Transport {
  static label = 'MJPEG';
  static surface = 'image';

  codecs = 'mjpeg';
  /** How far apart pictures are: those of a slow stream do not stand still for longer than they should. */
  edge = { chunk: 1 / 30, stats: { stalls: 0 } };
  #spacing = new Median(9);
  #lastAt = null;
  #stalls = new Stalls();
  #image;
  #events;
  #next = null;
  #captured = null;
  #busy = false;
  #stopped = false;

  /** @param {HTMLImageElement} image @param {{ws: string, clock: object}} options @param {import('./transport.js').TransportEvents} events */
  constructor(image, { ws, clock }, events) {
    super();
    this.#image = image;
    this.#events = events;
    this.link = new Link(ws, { open: () => this.link.send({ type: 'mjpeg' }), message: m => this.#message(m), data: d => this.#data(d), closed: (r, c) => this.#fail(r, { soon: isSoon(c), unreachable: !this.link.opened }) }, clock);
  }

  stop() {
    this.#stopped = true;
    this.link.stop();
  }

  /** A picture that another one replaced counts as dropped. */
  get unshown() {
    return this.dropped;
  }

  #message({ type, value }) {
    if (type === 'error') this.#refused(String(value));
    else if (type === 'captured') this.#captured = Number.isFinite(value) ? value : null;
    else if (type === 'stream') this.#about(value);
  }

  /** An `<img>` turns its picture as EXIF says; how wide pixels are it does not know. */
  #about(stream) {
    turnElement(this.#image, poseOfPictures(stream ?? {}));
    this.#events.info(stream);
  }

  #refused(reason) {
    const mp4 = reason.includes('not MJPEG');
    this.#fail(mp4 ? 'the stream is not MJPEG' : reason, { unplayable: true, ...(mp4 && { kind: 'mp4' }) });
  }

  #data(data) {
    if (this.#next) this.dropped++;
    this.#learn(this.#captured ?? wallNow());
    this.#next = { data, captured: this.#captured };
    this.#captured = null;
    if (!this.#busy) this.#show();
  }

  /** @param {number} at  when the picture was captured, or came */
  #learn(at) {
    const step = (at - this.#lastAt) / 1000;
    if (this.#lastAt !== null && step > 0 && step < 60) this.#spacing.add(step);
    this.#lastAt = at;
    this.edge.chunk = this.#spacing.value ?? this.edge.chunk;
  }

  #shown(captured) {
    if (this.#stopped) return;
    this.#stalls.shown(performance.now(), this.edge.chunk);
    this.edge.stats.stalls = this.#stalls.count;
    this.#events.shown({ captured, at: wallNow() + COMPOSITOR_MS });
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
      if (document.hidden) this.#stalls.rest();
      if (whole && !this.#stopped) requestAnimationFrame(() => this.#shown(captured));
    }
    this.#busy = false;
  }

  #fail(reason, options) {
    if (this.#stopped) return;
    this.stop();
    this.#events.failed(reason, options);
  }
}
