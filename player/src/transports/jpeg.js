import { DISPLAY_MS, Median, wallNow } from '../engine/clock.js';
import { surface } from '../engine/colour.js';
import { JitterBuffer } from '../engine/jitter.js';
import { Stalls } from '../engine/sight.js';
import { Link, isDenied, isSoon } from './link.js';
import { Transport } from './transport.js';
import { poseOfPictures, turnElement } from '../engine/orientation.js';

/**
 * JPEG pictures over WebSocket onto a canvas, the newest only: a picture that comes while another one is being decoded replaces the one
 * that waits. Unlike a multipart `<img>` it notices when pictures stop coming, and keeps the last one when the connection breaks. An `<img>` that is set anew
 * for each picture shows a third of them in WebKitGTK.
 */
export class JpegTransport extends Transport {
  static label = 'MJPEG';
  static surface = 'canvas';
  static buffers = true;

  codecs = 'mjpeg';
  /** How far apart pictures are: those of a slow stream do not stand still for longer than they should. */
  edge = { chunk: 1 / 30, stats: { stalls: 0 } };
  #spacing = new Median(9);
  #lastAt = null;
  #stalls = new Stalls();
  #canvas;
  #context;
  #events;
  #jitter;
  #turn = 0;
  #next = null;
  #captured = null;
  #busy = false;
  #hasShown = false;
  #stopped = false;

  /** @param {HTMLCanvasElement} canvas @param {{ws: string, bufferTarget?: number, clock: object}} options @param {import('./transport.js').TransportEvents} events */
  constructor(canvas, { ws, bufferTarget = 0, clock }, events) {
    super();
    this.#jitter = new JitterBuffer(bufferTarget);
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', surface());
    // What an earlier attempt left there is no picture of this one.
    canvas.width = canvas.height = 0;
    this.#events = events;
    this.link = new Link(ws, { open: () => this.link.send({ type: 'mjpeg' }), message: m => this.#message(m), data: d => this.#data(d), closed: (r, c) => this.#fail(r, { soon: isSoon(c), unreachable: !this.link.opened, denied: isDenied(c) }) }, clock);
  }

  stop() {
    this.#stopped = true;
    this.link.stop();
    cancelAnimationFrame(this.#turn);
  }

  get buffer() {
    return this.#jitter.seconds;
  }

  set bufferTarget(seconds) {
    this.#jitter.target = seconds;
    this.#stalls.rest();
  }

  get signal() {
    return this.#hasShown ? 'createImageBitmap' : '';
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

  /** The browser turns a picture as EXIF says; how wide pixels are it does not know. */
  #about(stream) {
    turnElement(this.#canvas, poseOfPictures(stream ?? {}));
    this.#events.info(stream);
  }

  #refused(reason) {
    const mp4 = reason.includes('not MJPEG');
    this.#fail(mp4 ? 'the stream is not MJPEG' : reason, { unplayable: true, ...(mp4 && { kind: 'mp4' }) });
  }

  #data(data) {
    const picture = { time: (this.#captured ?? wallNow()) / 1000, data, captured: this.#captured };
    const isFirst = this.#lastAt === null;
    this.#learn(1000 * picture.time);
    this.#captured = null;
    // The first one is shown at once, whatever is wanted in hand.
    if (isFirst) this.#offer(picture);
    else this.#pass([picture]);
  }

  #pass(pictures) {
    for (const picture of this.#jitter.pass(performance.now(), pictures)) this.#offer(picture);
    if (!this.#jitter.isEmpty && !document.hidden) this.#turn ||= requestAnimationFrame(() => this.#onturn());
  }

  #onturn() {
    this.#turn = 0;
    this.#pass([]);
  }

  #offer(picture) {
    if (this.#next && !document.hidden) this.dropped++;
    this.#next = picture;
    // What nobody sees is not decoded.
    if (!this.#busy && !document.hidden) this.#show();
  }

  foreground() {
    this.#stalls.rest();
    if (this.#next && !this.#busy && !document.hidden) this.#show();
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
    if (!this.#hasShown && this.#jitter.target > 0) this.#stalls.rest();
    this.#hasShown = true;
    this.edge.stats.stalls = this.#stalls.count;
    this.#events.shown({ captured, at: wallNow() + DISPLAY_MS });
  }

  async #show() {
    this.#busy = true;
    while (this.#next && !this.#stopped && !document.hidden) {
      const { data, captured } = this.#next;
      this.#next = null;
      // A damaged picture is skipped: the next one is whole again.
      const picture = await createImageBitmap(new Blob([data], { type: 'image/jpeg' })).catch(() => null);
      if (picture && !this.#stopped) this.#paint(picture);
      if (picture && !this.#stopped) requestAnimationFrame(() => this.#shown(captured));
      picture?.close();
    }
    this.#busy = false;
  }

  #paint(picture) {
    const { width, height } = picture;
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    this.#context.drawImage(picture, 0, 0);
  }

  #fail(reason, options) {
    if (this.#stopped) return;
    this.stop();
    this.#events.failed(reason, options);
  }
}
