import { Language, h, label } from './h5live.js';
import { SHORTEST_S, Spans, kept, marks, prolonged, runs, zoomed } from './spans.js';
import { Tip } from './thumbnails.js';

/** The time line of what was recorded of a stream, and of what the server still holds of it: what there is by `/NAME/rec.json`, from a minute to a month at a time. Drawn only when something changed. */

const SCALES = [['hour', 3600], ['day', 86400], ['week', 7 * 86400], ['month', 30 * 86400]];
const STEP_S = 10;
const ZOOM = 2;
/** A mark has so much room, CSS pixels. */
const MARK_PX = 84;
/** What was added is asked for so often, and all of it, of which some may be gone; ms. */
const NEWER_MS = 15000;
const ALL_MS = 600000;
/** What was recorded last is asked for again, seconds. */
const AGAIN_S = 120;
/** While the pointer is dragged, the picture follows so often, ms. */
const DRAG_MS = 300;
/** A pointer that moves less is not dragged, CSS pixels. */
const STILL_PX = 4;
/** What is live stands so far from the right end, as a part of the whole. */
const EDGE = 0.05;
const HEIGHT = { line: 30, marks: 18 };

const language = new Language();
const say = (key, values) => language.say(key, values);
const numeric = options => new Intl.DateTimeFormat(language.name, options);
const [clock, exactClock, date, moment] = [{ hour: '2-digit', minute: '2-digit' }, { timeStyle: 'medium' }, { month: 'numeric', day: 'numeric' }, { dateStyle: 'medium', timeStyle: 'medium' }].map(numeric);

/**
 * @typedef {object} Events
 * @property {(time: number) => void} seek  somebody wants to see this time, Unix seconds
 * @property {() => number | null} position  what is seen now; null: what is live
 * @property {() => void} [live]  somebody wants to see what is live
 * @property {(text: string) => void} said  something that is worth saying
 */
export class TimeLine {
  #events;
  #address;
  #canvas = h('canvas');
  #tip;
  #line = h('div', { class: 'line', role: 'slider', tabindex: '0', 'aria-label': say('timeline'), 'aria-keyshortcuts': 'ArrowLeft ArrowRight PageUp PageDown Home End + -' }, this.#canvas);
  #day = h('input', { type: 'date', 'aria-label': say('dayOf'), title: say('dayOf') });
  #scales = h('p', { class: 'scales', role: 'group', 'aria-label': say('zoom') });
  element = h('div', { class: 'timeline', hidden: '' }, this.#line, this.#scales);
  #spans = new Spans();
  #view = { from: 0, to: SCALES[0][1] };
  /** It goes with what is added. */
  #follows = true;
  /** The end of what there is, and when that was known, performance.now(). */
  #edge = { time: 0, at: 0, grows: false };
  #pointers = new Map();
  /** Where the pointer is that is dragged; null: none is. */
  #dragged = null;
  #begun = null;
  #soughtAt = 0;
  #turn = 0;
  /** The time that the marker was drawn at. */
  #drawn = 0;
  #loadedAt = -Infinity;
  /** The end of what was recorded; null: nothing was. */
  #recordedTo = null;
  /** What there is without a recording, seconds. */
  #held = 0;
  #timers = [];
  #colours = null;
  #resized = new ResizeObserver(() => this.changed());
  #dark = matchMedia('(prefers-color-scheme: dark)');

  /** @param {string} name  of the stream @param {Events} events */
  constructor(name, events) {
    this.#events = events;
    this.#address = `${encodeURIComponent(name)}/rec.json`;
    this.#tip = new Tip(name);
    this.#line.append(this.#tip.element);
    for (const [scale, seconds] of SCALES) this.#scales.append(this.#button(say(scale), () => this.#zoomTo(seconds), { 'data-seconds': seconds }));
    const together = h('span');
    for (const [text, key, factor] of [['−', 'zoomOut', ZOOM], ['+', 'zoomIn', 1 / ZOOM]]) label(together.appendChild(this.#button(text, () => this.#zoom(factor, this.#centre))), say(key));
    together.append(this.#day);
    this.#scales.append(together);
    this.#day.addEventListener('change', () => this.#goToDay());
    const on = (type, run, options) => this.#line.addEventListener(type, run, options);
    on('pointerdown', event => this.#onDown(event));
    on('pointermove', event => this.#onMove(event));
    for (const type of ['pointerup', 'pointercancel']) on(type, event => this.#onUp(event));
    for (const type of ['pointerleave', 'blur']) on(type, () => this.#tip.hide());
    on('focus', () => this.#line.matches(':focus-visible') && this.#tell(this.#time, true));
    on('wheel', event => this.#onWheel(event), { passive: false });
    on('keydown', event => this.#onKey(event));
    this.#resized.observe(this.#line);
    this.#dark.addEventListener('change', this.#recolour);
    this.#timers = [setInterval(() => this.#load(), NEWER_MS), setInterval(() => this.tick(), 1000)];
  }

  /** There are recordings. */
  get isRecorded() {
    return this.#recordedTo !== null;
  }

  /** Shows what there is. @returns {Promise<boolean>} there is something */
  async open() {
    await this.#load();
    return !this.element.hidden;
  }

  close() {
    this.#timers.forEach(clearInterval);
    this.#tip.close();
    this.#resized.disconnect();
    this.#dark.removeEventListener('change', this.#recolour);
    cancelAnimationFrame(this.#turn);
    this.element.remove();
  }

  /** What is seen, or what is known, has changed: it is drawn with the next frame of the page. */
  changed() {
    if (!this.element.hidden) this.#turn ||= requestAnimationFrame(() => this.#draw());
  }

  #button(text, run, attributes = {}) {
    const button = h('button', { type: 'button', ...attributes }, text);
    button.addEventListener('click', run);
    return button;
  }

  async #load() {
    const now = performance.now();
    const all = !this.isRecorded || now - this.#loadedAt > ALL_MS;
    const from = all ? '' : `?from=${new Date(1000 * (this.#recordedTo - AGAIN_S)).toISOString()}`;
    const answer = await fetch(this.#address + from, { cache: 'no-store' }).catch(() => null);
    const { spans = [], recording = false, ring } = answer?.ok ? await answer.json() : {};
    const isFirst = this.#loadedAt === -Infinity;
    if (all && answer?.ok) [this.#spans, this.#loadedAt] = [new Spans(), now];
    const seconds = ({ from, to }) => [Date.parse(from) / 1000, Date.parse(to) / 1000];
    const recorded = spans.map(seconds);
    if (recorded.length > 0) this.#recordedTo = recorded.at(-1)[1];
    this.#spans.replace(ring ? prolonged(recorded, seconds(ring)) : recorded);
    if (this.#spans.length > 0) this.#edge = { time: this.#spans.last, at: performance.now(), grows: recording || Boolean(ring?.live) };
    this.#held = this.#spans.length > 0 ? this.#spans.last - this.#spans.first : 0;
    this.element.hidden = this.#spans.length === 0;
    if (this.element.hidden) return;
    // Of little there is, all is shown.
    if (isFirst) this.#view.to = Math.min(SCALES[0][1], Math.max(SHORTEST_S, 1.1 * (this.#now - this.#spans.first)));
    this.#day.min = dayOf(this.#spans.first);
    this.#day.max = dayOf(this.#now);
    this.changed();
    this.tick();
  }

  /** The end of what there is, by the clock of the server. */
  get #now() {
    const { time, at, grows } = this.#edge;
    return grows ? time + (performance.now() - at) / 1000 : time;
  }

  /** What is seen now. */
  get #time() {
    return this.#events.position() ?? this.#now;
  }

  get #length() {
    return this.#view.to - this.#view.from;
  }

  /** What stays where it is when a button or a key zooms. */
  get #centre() {
    const { from, to } = this.#view;
    return this.#time >= from && this.#time <= to ? this.#time : (from + to) / 2;
  }

  /** Time goes on. Nothing is drawn before that is a pixel. */
  tick() {
    if (this.element.hidden) return;
    if (this.#edge.grows) this.#spans.extend(this.#now);
    // The server holds so much, and the oldest goes.
    if (!this.isRecorded) this.#spans.forget(this.#now - this.#held);
    const length = this.#length;
    const to = this.#now + EDGE * length;
    const pixel = length / Math.max(1, this.#line.clientWidth);
    const moves = Math.abs(to - this.#view.to) >= pixel;
    if (this.#follows && this.#dragged === null && moves) this.#view = { from: to - length, to };
    if ((this.#follows && moves) || Math.abs(this.#time - this.#drawn) >= pixel) this.changed();
    this.#describe(this.#time);
  }

  #look(view) {
    this.#view = kept(view, this.#spans.first, this.#now);
    this.#follows = this.#view.to >= this.#now;
    this.changed();
  }

  #zoom(factor, fixed) {
    this.#look(zoomed(this.#view, factor, fixed));
  }

  #zoomTo(seconds) {
    this.#zoom(seconds / this.#length, this.#centre);
  }

  #seek(time) {
    const there = this.#spans.next(time);
    if (there === null) return this.#events.live ? this.#events.live() : this.#events.seek(Math.max(this.#spans.first, this.#now - STEP_S));
    if (there > time + 1) this.#events.said(say('gapUntil', { time: moment.format(1000 * there) }));
    this.#events.seek(there);
    this.#reveal(there);
  }

  /** A time that is not in the picture comes into it. */
  #reveal(time) {
    const { from, to } = this.#view;
    const length = to - from;
    if (time < from || time > to) this.#look({ from: time - length / 2, to: time + length / 2 });
    this.changed();
  }

  /** The day by the clock of who asks; the first there is of it. */
  #goToDay() {
    const [year, month, day] = this.#day.value.split('-').map(Number);
    if (!day) return;
    const [begin, end] = [0, 1].map(more => new Date(year, month - 1, day + more).getTime() / 1000);
    const there = this.#spans.next(begin);
    this.#look({ from: begin, to: end });
    if (there === null || there >= end) return this.#events.said(say('nothingThen'));
    this.#events.seek(there);
  }

  #at(event) {
    const { left, width } = this.#line.getBoundingClientRect();
    return this.#view.from + ((event.clientX - left) / width) * this.#length;
  }

  #onDown(event) {
    if (event.button !== 0) return;
    this.#line.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, event.clientX);
    this.#begun = event.clientX;
    this.#dragged = this.#pointers.size === 1 ? this.#at(event) : null;
    if (this.#dragged !== null) this.#tell(this.#dragged);
    else this.#tip.hide();
    this.changed();
  }

  #onMove(event) {
    if (event.pointerType !== 'touch' || this.#dragged !== null) this.#tell(this.#at(event));
    if (!this.#pointers.has(event.pointerId)) return;
    if (this.#pointers.size === 2) return this.#pinch(event);
    this.#pointers.set(event.pointerId, event.clientX);
    if (this.#dragged === null) return;
    this.#dragged = this.#at(event);
    const moved = Math.abs(event.clientX - this.#begun) > STILL_PX;
    if (moved && performance.now() - this.#soughtAt > DRAG_MS) {
      this.#soughtAt = performance.now();
      this.#seek(this.#dragged);
    }
    this.changed();
  }

  /** What is under both fingers stays under them. */
  #pinch(event) {
    const { left, width } = this.#line.getBoundingClientRect();
    const places = () => [...this.#pointers.values()].map(x => (x - left) / width).sort((a, b) => a - b);
    const { from } = this.#view;
    const times = places().map(place => from + place * this.#length);
    this.#pointers.set(event.pointerId, event.clientX);
    const [first, second] = places();
    if (second - first < 0.02 || times[1] <= times[0]) return;
    const view = zoomed(this.#view, (times[1] - times[0]) / (second - first) / this.#length, times[0]);
    const by = times[0] - (view.from + first * (view.to - view.from));
    this.#look({ from: view.from + by, to: view.to + by });
  }

  #onUp(event) {
    if (!this.#pointers.delete(event.pointerId)) return;
    const time = this.#dragged;
    this.#dragged = null;
    if (event.pointerType === 'touch') this.#tip.hide();
    if (time !== null && event.type === 'pointerup') this.#seek(time);
    this.changed();
  }

  /** Above a time: when it was, and the picture of then. */
  #tell(time, briefly = false) {
    const isThere = this.#spans.next(time) === time;
    const text = moment.format(1000 * time);
    this.#tip.show((time - this.#view.from) / this.#length, isThere ? text : `${text} · ${say('gap')}`, isThere ? time : null, briefly);
  }

  #onWheel(event) {
    event.preventDefault();
    const pixels = event.deltaMode === 1 ? 16 : 1;
    const [x, y] = [event.deltaX * pixels, event.deltaY * pixels];
    if (Math.abs(x) > Math.abs(y) || event.shiftKey) {
      const by = ((x || y) / this.#line.clientWidth) * this.#length;
      this.#look({ from: this.#view.from + by, to: this.#view.to + by });
    } else this.#zoom(Math.exp(Math.max(-1, Math.min(1, y * 0.004))), this.#at(event));
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = this.#length / 10;
    const to = time => () => {
      const wanted = Math.max(this.#spans.first, time);
      this.#seek(wanted);
      if (wanted > this.#now) this.#tip.hide();
      else this.#tell(wanted, true);
    };
    const keys = {
      ArrowLeft: to(this.#time - STEP_S), ArrowDown: to(this.#time - STEP_S), ArrowRight: to(this.#time + STEP_S), ArrowUp: to(this.#time + STEP_S),
      PageDown: to(this.#time - page), PageUp: to(this.#time + page), Home: to(this.#spans.first), End: to(Infinity),
      '+': () => this.#zoom(1 / ZOOM, this.#centre), '=': () => this.#zoom(1 / ZOOM, this.#centre), '-': () => this.#zoom(ZOOM, this.#centre),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  }

  #recolour = () => {
    this.#colours = null;
    this.changed();
  };

  #draw() {
    this.#turn = 0;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(this.#line.clientWidth * ratio), Math.round((HEIGHT.line + HEIGHT.marks) * ratio)];
    if (width === 0) return;
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const context = this.#canvas.getContext('2d');
    const style = getComputedStyle(this.#line);
    this.#colours ??= Object.fromEntries(['ink', 'soft', 'line', 'paper', 'recorded'].map(name => [name, style.getPropertyValue(`--${name}`)]));
    const { ink, soft, line, paper, recorded } = this.#colours;
    const { from, to } = this.#view;
    const place = time => ((time - from) / (to - from)) * width;
    const bottom = HEIGHT.line * ratio;
    context.clearRect(0, 0, width, height);
    context.fillStyle = recorded;
    for (const [column, columns, level] of runs(this.#spans.cover(from, to, width))) {
      context.globalAlpha = 0.25 + 0.1875 * level;
      context.fillRect(column, 0, columns, bottom);
    }
    context.globalAlpha = 1;
    context.font = `${11 * ratio}px system-ui, sans-serif`;
    context.textBaseline = 'bottom';
    let free = -Infinity;
    for (const { time, isDay } of marks(from, to, width / ratio / MARK_PX)) {
      const text = (isDay ? date : to - from < 600 ? exactClock : clock).format(1000 * time);
      const x = place(time);
      context.fillStyle = line;
      context.fillRect(Math.round(x), bottom, ratio, 5 * ratio);
      if (x < free) continue;
      free = x + context.measureText(text).width + 8 * ratio;
      if (free - 8 * ratio > width) continue;
      context.fillStyle = isDay ? ink : soft;
      context.fillText(text, x + 4 * ratio, height);
    }
    const marker = (time, colour, wide) => {
      const x = Math.min(width - wide * ratio, Math.max(0, place(time) - (wide / 2) * ratio));
      context.fillStyle = paper;
      context.fillRect(x - ratio, 0, (wide + 2) * ratio, bottom);
      context.fillStyle = colour;
      context.fillRect(x, 0, wide * ratio, bottom);
    };
    const time = this.#time;
    this.#drawn = time;
    if (time >= from && time <= to) marker(time, ink, 3);
    if (this.#dragged !== null) marker(this.#dragged, soft, 2);
    this.#describe(time);
  }

  #describe(time) {
    const set = (element, name, value) => element.getAttribute(name) !== value && element.setAttribute(name, value);
    for (const [name, value] of [['valuemin', this.#spans.first], ['valuemax', this.#now], ['valuenow', time]]) set(this.#line, `aria-${name}`, String(Math.round(value)));
    set(this.#line, 'aria-valuetext', this.#events.live && this.#events.position() === null ? say('live') : moment.format(1000 * time));
    set(this.#line, 'data-from', String(this.#view.from));
    set(this.#line, 'data-to', String(this.#view.to));
    for (const button of this.#scales.querySelectorAll('[data-seconds]')) set(button, 'aria-pressed', String(Math.abs(Number(button.dataset.seconds) - this.#length) < 1));
    const day = dayOf(time);
    if (!this.#day.matches(':focus') && this.#day.value !== day) this.#day.value = day;
  }
}

/** As `<input type=date>` has it, by the clock of who looks at it. */
function dayOf(seconds) {
  const day = new Date(1000 * seconds);
  return [String(day.getFullYear()).padStart(4, '0'), day.getMonth() + 1, day.getDate()].map(part => String(part).padStart(2, '0')).join('-');
}
