import { Language, h, icon, label, tell } from './h5live.js';

/** The dialog of what was before: what there is by `/NAME/rec.json`, and any part of it by `/NAME/clip.mp4`. Loaded when somebody opens it. */

/** How much the time line shows: what it is called, and seconds. */
const SCALES = [['hour', 3600], ['day', 86400], ['week', 7 * 86400], ['month', 30 * 86400]];
/** A place in the time line is shown from there for so long, seconds. */
const SHOWN_S = 60;
const STEP_S = 10;
/** The longest that the server makes of one piece, seconds. */
const LONGEST_S = 3600;

const language = new Language();
const say = (key, values) => language.say(key, values);

/** Opens the dialog for the stream of this name. */
export function openClips(name) {
  new Clips(name).open();
}

class Clips {
  #base;
  #video = h('video', { controls: '', playsinline: '' });
  #status = h('p', { role: 'status' });
  #line = h('div', { class: 'line', role: 'slider', tabindex: '0', 'aria-label': say('timeline'), hidden: '' });
  #spans = h('div', { class: 'spans' });
  #cursor = h('span', { class: 'cursor' });
  #ends = h('p', { class: 'ends' }, h('span'), h('span'));
  #scales = h('p', { class: 'scales', role: 'group', 'aria-label': say('timeline'), hidden: '' });
  #download = h('a', { class: 'button main', download: '' }, say('download'));
  /** Unix seconds by the server's clock: what the time line shows, what is loaded, and what is chosen. */
  #shown = { from: 0, to: 0 };
  #loaded = { from: 0, to: 0 };
  #chosen = { from: 0, to: 0 };
  #begins = false;

  constructor(name) {
    this.#base = `${encodeURIComponent(name)}/`;
  }

  open() {
    this.#video.muted = true;
    const close = h('button', { type: 'button', class: 'round' }, icon('close'));
    label(close, say('close'));
    const act = (text, run) => {
      const button = h('button', { type: 'button' }, text);
      button.addEventListener('click', run);
      return button;
    };
    const dialog = h('dialog', { 'aria-labelledby': 'clips-title', class: 'clips' },
      h('header', {}, h('h2', { id: 'clips-title' }, say('earlier')), close),
      this.#video, this.#scales, this.#line, this.#ends, this.#status,
      h('p', { class: 'actions' },
        act(say('clipBack', { s: STEP_S }), () => this.#step(-STEP_S)), act(say('clipOn', { s: STEP_S }), () => this.#step(STEP_S)),
        act(say('clipBegin'), () => this.#choose({ from: this.#now })), act(say('clipEnd'), () => this.#choose({ to: this.#now })), this.#download));
    for (const [scale, seconds] of SCALES) {
      const button = act(say(scale), () => this.#scale(seconds));
      button.dataset.seconds = seconds;
      this.#scales.append(button);
    }
    this.#line.append(this.#spans, this.#cursor);
    this.#line.addEventListener('click', event => this.#point(event));
    this.#line.addEventListener('keydown', event => this.#key(event));
    this.#video.addEventListener('timeupdate', () => this.#mark());
    // Firefox shows what an edit list leaves out before its begin, until it has sought there.
    if ('mozPaintedFrames' in this.#video) {
      this.#video.addEventListener('loadstart', () => (this.#video.style.visibility = 'hidden'));
      this.#video.addEventListener('loadedmetadata', () => (this.#video.currentTime = 0.001));
      this.#video.addEventListener('seeked', () => (this.#video.style.visibility = ''));
    }
    this.#video.addEventListener('canplay', () => this.#begin());
    this.#video.addEventListener('error', () => this.#video.error && tell(this.#status, say('nothingThen')));
    close.addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', event => event.target === dialog && dialog.close());
    dialog.addEventListener('close', () => {
      this.#video.removeAttribute('src');
      this.#video.load();
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
    this.#latest();
  }

  /** The time that the picture has. */
  get #now() {
    return this.#loaded.from + this.#video.currentTime;
  }

  /** The last seconds there are; the server's clock decides. */
  async #latest() {
    if (await this.#load(`-${STEP_S}s`)) {
      this.#choose(this.#loaded);
      await this.#scale(SCALES[0][1]);
    }
  }

  async #show(from) {
    const to = Math.min(from + SHOWN_S, this.#shown.to || from + SHOWN_S);
    if (await this.#load(rfc3339(from), rfc3339(to))) this.#choose({ from: this.#loaded.from, to: this.#loaded.to });
  }

  /** Takes a clip into the video. A name with its own times gives the same bytes again, as a player asks for them in pieces. @returns {Promise<boolean>} */
  async #load(from, to) {
    const answer = await fetch(`${this.#base}clip.mp4?from=${from}${to ? `&to=${to}` : ''}`, { method: 'HEAD', cache: 'no-store' }).catch(() => null);
    const place = answer?.ok && answer.headers.get('content-location');
    if (!place) {
      tell(this.#status, say(answer?.status === 403 ? 'notYours' : answer?.status === 404 ? 'nothingThen' : 'serverAway'));
      return false;
    }
    const query = new URLSearchParams(place.split('?')[1]);
    this.#loaded = { from: Date.parse(query.get('from')) / 1000, to: Date.parse(query.get('to')) / 1000 };
    this.#begins = true;
    this.#video.src = this.#base + place;
    return true;
  }

  /** A clip plays by itself once; a seek in it later does not. */
  #begin() {
    if (this.#begins) this.#video.play().catch(() => {});
    this.#begins = false;
  }

  /** What is to be kept. */
  #choose(change) {
    const chosen = { ...this.#chosen, ...change };
    if (chosen.to <= chosen.from) Object.assign(chosen, change.to === undefined ? { to: this.#loaded.to } : { from: this.#loaded.from });
    chosen.to = Math.min(chosen.to, chosen.from + LONGEST_S);
    this.#chosen = chosen;
    this.#download.href = `${this.#base}clip.mp4?from=${rfc3339(chosen.from)}&to=${rfc3339(chosen.to)}`;
    tell(this.#status, say('clipFromTo', { from: clock(chosen.from), to: clock(chosen.to), s: Number((chosen.to - chosen.from).toFixed(1)) }));
  }

  #step(seconds) {
    const time = this.#now + seconds;
    if (time >= this.#loaded.from && time < this.#loaded.to) this.#video.currentTime = time - this.#loaded.from;
    else this.#show(time);
  }

  /** Shows so much time, up to now; without recordings there is no time line. */
  async #scale(seconds) {
    const answer = await fetch(`${this.#base}rec.json?from=-${seconds}s`, { cache: 'no-store' }).catch(() => null);
    const { spans } = answer?.ok ? await answer.json() : { spans: [] };
    const has = spans.length > 0;
    this.#line.hidden = this.#ends.hidden = this.#scales.hidden = !has;
    if (!has) return;
    const times = spans.map(({ from, to }) => [Date.parse(from) / 1000, Date.parse(to) / 1000]);
    const to = times.at(-1)[1];
    this.#shown = { from: to - seconds, to };
    this.#spans.replaceChildren(...times.map(([begin, end]) => {
      const span = h('span');
      span.style.left = `${100 * this.#part(begin)}%`;
      span.style.width = `${100 * (this.#part(end) - this.#part(begin))}%`;
      return span;
    }));
    for (const button of this.#scales.children) button.setAttribute('aria-pressed', String(Number(button.dataset.seconds) === seconds));
    const [first, last] = this.#ends.children;
    tell(first, moment(this.#shown.from));
    tell(last, moment(to));
    this.#mark();
  }

  /** Where a time is in the line, 0 to 1. */
  #part(time) {
    return Math.min(1, Math.max(0, (time - this.#shown.from) / (this.#shown.to - this.#shown.from)));
  }

  #mark() {
    this.#cursor.style.left = `${100 * this.#part(this.#now)}%`;
    const { from, to } = this.#shown;
    for (const [name, value] of [['valuemin', from], ['valuemax', to], ['valuenow', this.#now]]) this.#line.setAttribute(`aria-${name}`, String(Math.round(value)));
    this.#line.setAttribute('aria-valuetext', moment(this.#now));
  }

  #point(event) {
    const { left, width } = this.#line.getBoundingClientRect();
    this.#show(this.#shown.from + ((event.clientX - left) / width) * (this.#shown.to - this.#shown.from));
  }

  /** A slider's keys: a step, a hundredth of what is shown, and both ends. */
  #key(event) {
    const { from, to } = this.#shown;
    const page = (to - from) / 100;
    const time = { ArrowLeft: this.#now - STEP_S, ArrowRight: this.#now + STEP_S, PageDown: this.#now - page, PageUp: this.#now + page, Home: from, End: to - STEP_S }[event.key];
    if (time === undefined) return;
    event.preventDefault();
    this.#show(Math.min(to - 1, Math.max(from, time)));
  }
}

/** In UTC, as addresses have it. */
function rfc3339(seconds) {
  return new Date(1000 * seconds).toISOString();
}

/** As people have it. */
function clock(seconds) {
  return new Date(1000 * seconds).toLocaleTimeString(language.name);
}

function moment(seconds) {
  return new Date(1000 * seconds).toLocaleString(language.name);
}
