import { Language, h, icon, label, tell } from './h5live.js';
import { TimeLine } from './timeline.js';

/** The dialog of what was before: what there is by `/NAME/rec.json`, and any part of it by `/NAME/clip.mp4`. Loaded when somebody opens it. */

/** A place in the time line is shown from there for so long, seconds. */
const SHOWN_S = 60;
const STEP_S = 10;
/** At the end of what there is, so much of it is shown at least, seconds. */
const LEAST_S = 1;
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
  #line;
  #list;
  #download = h('a', { class: 'button main', download: '' }, say('download'));
  /** Unix seconds by the server's clock: what is loaded, and what is chosen. */
  #loaded = { from: 0, to: 0 };
  #chosen = { from: 0, to: 0 };
  /** The server's clock, and when that was known, performance.now(). */
  #server = { time: 0, at: 0 };
  #begins = false;

  constructor(name) {
    this.#base = `${encodeURIComponent(name)}/`;
    this.#list = h('a', { class: 'button', href: `${this.#base}rec/`, hidden: '' }, say('recordings'));
    this.#line = new TimeLine(name, { seek: time => this.#show(time), position: () => this.#now, said: text => tell(this.#status, text) });
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
      this.#video, this.#line.element, this.#status,
      h('p', { class: 'actions' },
        act(say('clipBack', { s: STEP_S }), () => this.#step(-STEP_S)), act(say('clipOn', { s: STEP_S }), () => this.#step(STEP_S)),
        act(say('clipBegin'), () => this.#choose({ from: this.#now })), act(say('clipEnd'), () => this.#choose({ to: this.#now })), this.#download, this.#list));
    this.#video.addEventListener('timeupdate', () => this.#line.tick());
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
      this.#line.close();
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
      this.#server = { time: this.#loaded.to, at: performance.now() };
      this.#choose(this.#loaded);
      // Out of the ring alone there is no list.
      await this.#line.open();
      this.#list.hidden = !this.#line.isRecorded;
    }
  }

  /** The end of what there is. */
  get #end() {
    return this.#server.time + (performance.now() - this.#server.at) / 1000;
  }

  async #show(time) {
    const from = Math.min(time, this.#end - LEAST_S);
    const to = Math.min(from + SHOWN_S, this.#end);
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
    const time = Math.min(this.#now + seconds, this.#end - LEAST_S);
    if (time >= this.#loaded.from && time < this.#loaded.to) this.#video.currentTime = time - this.#loaded.from;
    else this.#show(time);
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
