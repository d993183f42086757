import { Help, Panel, milliseconds } from './panel.js';
import { Language } from './texts.js';
import { Poster } from './poster.js';
import { STYLE } from './style.js';
import { button, h, icon, label, tell } from './dom.js';
import { surface } from '../engine/colour.js';
import { drawShown, shownSize } from '../engine/orientation.js';

/** The pointer was still for this long: the buttons go away. */
const CALM_MS = 2500;
const TOAST_MS = 1800;
/** No picture is to be had now. */
const LOST = ['reconnecting', 'unplayable', 'denied', 'waiting'];
/** A latency outside of this comes of clocks that do not agree, or of a recording that tells its own time: it is not shown. */
const BELIEVED_MS = [-20, 60000];

/**
 * The player's face, inside the shadow root: elements for the picture, and what lies over them. It holds no state of its own but what
 * is shown.
 *
 * @typedef {object} Actions  What the buttons do; each but the last three without arguments.
 * @property {() => void} toggle    play or pause
 * @property {() => void} live      to the live edge
 * @property {() => void} sound     mute or unmute
 * @property {() => void} full
 * @property {() => void} pip
 * @property {() => void} cast      to another device, or back
 * @property {() => void} snapshot
 * @property {() => void} retry     at once
 * @property {() => void} copy      the statistics
 * @property {(volume: number) => void} volume
 * @property {(name: string) => void} transport
 * @property {(name: string) => void} quality
 * @property {(choice: string) => void} latency
 * @property {string[]} latencies  those to choose from
 * @property {[string, string][]} transports  those to choose from: name, and name for people
 */
export class View {
  #root;
  #parts = {};
  #calm = 0;
  #toasted = 0;
  #sheet = new CSSStyleSheet();
  /** Of the newest picture in the image. */
  #imageSize = [0, 0];
  language = new Language();

  /** @param {ShadowRoot} shadow @param {Actions} actions */
  constructor(shadow, actions) {
    this.video = h('video', { part: 'video', playsinline: '', tabindex: '-1' });
    this.image = h('img', { part: 'image', alt: '', hidden: '' });
    this.canvas = h('canvas', { part: 'canvas', width: '0', height: '0', hidden: '' });
    this.poster = new Poster();
    this.remote = h('video', { part: 'remote', playsinline: '', preload: 'none', 'x-webkit-airplay': 'allow', hidden: '' });
    this.still = h('canvas', { part: 'still', hidden: '', 'aria-hidden': 'true' });
    this.help = new Help(this.language);
    this.panel = new Panel(this.language, { ...actions, help: () => { this.panel.close(); this.help.open(); } });
    this.#root = h('div', { class: 'root', part: 'root', role: 'group', tabindex: '0' },
      h('div', { class: 'picture' }, this.video, this.image, this.canvas, this.poster.element, this.still, this.remote),
      this.#part('flash', h('div', { class: 'flash', hidden: '' })),
      this.#badge(actions),
      this.#part('unmute', this.#spoken('unmute', actions.sound, { class: 'pill', part: 'button muted-button', hidden: '' }, icon('muted'))),
      this.#centre(actions),
      this.#bar(actions),
      this.#part('toast', h('div', { class: 'toast', role: 'status', part: 'toast' })),
      this.panel.element,
      this.help.element,
      this.#part('status', h('div', { class: 'sr', role: 'status' })));
    this.#sheet.replaceSync(STYLE);
    shadow.adoptedStyleSheets = [this.#sheet];
    shadow.append(this.#root);
    this.#listen(actions);
  }

  #part(name, element) {
    return (this.#parts[name] = element);
  }

  /** An element that says one thing, in the language of the day. */
  #words(tag, key, attributes = {}) {
    const element = h(tag, attributes);
    this.language.follow(() => tell(element, this.language.say(key)));
    return element;
  }

  /** A button with words on it. */
  #spoken(key, run, attributes, ...children) {
    const element = h('button', { type: 'button', ...attributes }, ...children, this.#words('span', key, { part: `${key}-text` }));
    element.addEventListener('click', run);
    return element;
  }

  /** A button with an icon alone, whose name never changes. */
  #named(name, key, run, attributes) {
    const element = button(name, run, attributes);
    this.language.follow(() => label(element, this.language.say(key)));
    return element;
  }

  #badge({ live }) {
    const badge = h('button', { type: 'button', class: 'badge', part: 'badge', hidden: '' }, h('i'), this.#part('word', h('b')), this.#part('latency', h('span', { part: 'latency' })), this.#part('go', this.#words('em', 'goLive', { part: 'live-text' })));
    badge.addEventListener('click', () => (this.#parts.go.hidden ? this.panel.toggle() : live()));
    return this.#part('badge', badge);
  }

  #centre({ toggle, retry }) {
    return h('div', { class: 'centre' },
      this.#part('spinner', h('div', { class: 'spinner', part: 'spinner', hidden: '' })),
      this.#part('big', button('play', toggle, { class: 'big', hidden: '' })),
      this.#part('note', h('div', { class: 'note', part: 'message', hidden: '' },
        this.#part('title', h('strong')),
        this.#part('reason', h('span')),
        this.#part('retry', this.#spoken('retry', retry, { class: 'text', part: 'button retry-button' })))));
  }

  #bar({ toggle, sound, volume, snapshot, cast, pip, full }) {
    const slider = h('input', { type: 'range', min: '0', max: '1', step: '0.05', part: 'volume' });
    slider.addEventListener('input', () => volume(slider.valueAsNumber));
    this.language.follow(() => label(slider, this.language.say('volume')));
    return this.#part('bar', h('div', { class: 'bar', part: 'controls' },
      this.#part('play', button('pause', toggle, { part: 'button play-button' })),
      this.#part('sound', h('div', { class: 'sound', hidden: '' }, this.#part('mute', button('sound', sound)), this.#part('slider', slider))),
      h('span', { class: 'gap' }),
      this.#part('snapshot', this.#named('snapshot', 'snapshot', snapshot)),
      this.#part('stats', this.#named('stats', 'stats', () => this.panel.toggle())),
      this.#part('cast', this.#named('cast', 'cast', cast, { hidden: '' })),
      this.#part('pip', this.#named('pip', 'pip', pip, { hidden: '' })),
      this.#part('full', button('full', full))));
  }

  #listen({ full }) {
    const root = this.#root;
    const isPicture = e => !e.target.closest('button, .bar, .sheet, .note');
    root.addEventListener('pointermove', e => e.pointerType === 'mouse' && this.#wake());
    root.addEventListener('pointerleave', e => e.pointerType === 'mouse' && this.#sleep());
    root.addEventListener('focusin', () => this.#wake());
    root.addEventListener('pointerup', e => {
      // A finger brings the buttons, and takes them away again.
      if (e.pointerType !== 'mouse' && isPicture(e) && root.classList.contains('active')) this.#sleep();
      else this.#wake();
    });
    root.addEventListener('dblclick', e => isPicture(e) && full());
    for (const type of ['resize', 'turned']) this.video.addEventListener(type, () => this.#ratio(this.video, this.video.videoWidth, this.video.videoHeight));
    this.image.addEventListener('load', () => {
      this.#imageSize = [this.image.naturalWidth, this.image.naturalHeight];
      this.#ratio(this.image, ...this.#imageSize);
    });
    const { element } = this.poster;
    element.addEventListener('load', () => this.picture.ready || this.#ratio(element, element.naturalWidth, element.naturalHeight));
  }

  /** Which of video, image and canvas shows the picture. */
  use(element) {
    this.#imageSize = [0, 0];
    for (const each of [this.video, this.image, this.canvas]) each.hidden = each !== element;
  }

  /** What shows the picture, the picture's own size, 0 × 0 before there is one, and whether it can be drawn: not while the browser seeks. */
  get picture() {
    const of = (element, width, height, ready = true) => ({ element, ...shownSize(element, width, height), ready: ready && width > 0 && height > 0 });
    if (!this.image.hidden) {
      // While the next picture is decoded, an image has no size of its own.
      const { naturalWidth, naturalHeight } = this.image;
      const [width, height] = naturalWidth ? [naturalWidth, naturalHeight] : this.#imageSize;
      return of(this.image, width, height, naturalWidth > 0);
    }
    if (!this.canvas.hidden) return of(this.canvas, this.canvas.width, this.canvas.height);
    return of(this.video, this.video.videoWidth, this.video.videoHeight, this.video.readyState >= 2);
  }

  /** What is on the screen: the picture that is kept, while there is no newer one. */
  get screen() {
    return this.still.hidden ? this.picture : { element: this.still, width: this.still.width, height: this.still.height, ready: true };
  }

  /** Keeps the picture that is on the screen over what comes, until `release`. */
  hold() {
    const { element, width, height, ready } = this.picture;
    if (!ready) return;
    this.still.width = width;
    this.still.height = height;
    drawShown(this.still.getContext('2d', surface()), element, width, height);
    this.still.hidden = false;
  }

  release() {
    this.still.hidden = true;
  }

  /**
   * @param {object} now
   * @param {string} now.name of the stream
   * @param {string} now.state one of the states in docs/player.md
   * @param {string} now.reason why, in words; '' when all is well
   * @param {number | null} now.retryIn seconds until the next attempt
   * @param {boolean} now.seen there was a picture
   * @param {boolean} now.busy the picture has stood still for long enough to say so
   * @param {boolean} now.behind the picture is later than it has to be
   * @param {number | null} now.latency in ms
   * @param {boolean} now.offersSound the stream has, or may have, sound
   * @param {boolean} now.offersVideo  the picture is in the `<video>`, or can be
   * @param {boolean} now.muted
   * @param {boolean} now.invite the sound has not been touched yet: it is offered over the picture
   * @param {number} now.volume
   * @param {string} now.poster  address of a still picture to be shown in place of the stream; '' is none
   * @param {boolean} now.offersRemote  there is a device that could play it
   * @param {boolean} now.remote  one does
   * @param {boolean} now.controls
   */
  show(now) {
    const { name, state, busy, seen, controls } = now;
    if (!this.canvas.hidden) this.#ratio(this.canvas, this.canvas.width, this.canvas.height);
    const lost = LOST.includes(state);
    const paused = state === 'paused' || state === 'idle';
    this.#root.classList.toggle('lost', lost);
    this.#root.classList.toggle('paused', paused);
    this.poster.show(now.poster);
    this.#root.classList.toggle('empty', !seen && this.poster.element.hidden);
    this.#root.setAttribute('aria-label', this.language.say('player', { name }));
    this.#showBadge(now, paused, lost);
    this.#showCentre(now, paused || state === 'blocked');
    this.#showSound(now, paused || lost);
    const p = this.#parts;
    p.bar.hidden = !controls;
    p.pip.hidden = !(document.pictureInPictureEnabled && now.offersVideo && this.video.requestPictureInPicture);
    p.cast.hidden = !now.offersRemote && !now.remote;
    p.cast.setAttribute('aria-pressed', String(now.remote));
    p.snapshot.hidden = !seen;
    face(p.play, paused ? 'play' : 'pause', this.language.say(paused ? 'play' : 'pause'));
    this.fullscreen(document.fullscreenElement === this.#root.getRootNode().host);
    tell(p.status, busy || state === 'playing' || paused ? this.language.say(state) : '');
    if (!controls) this.panel.close();
  }

  #showBadge({ state, busy, seen, latency, behind, controls }, paused, lost) {
    const p = this.#parts;
    const live = state === 'playing' && !busy && !behind;
    const known = state === 'playing' && latency !== null && latency > BELIEVED_MS[0] && latency < BELIEVED_MS[1];
    this.#root.classList.toggle('live', live);
    p.badge.hidden = !controls || !seen;
    p.go.hidden = !(behind || paused);
    tell(p.word, this.language.say(paused ? 'paused' : lost ? 'offline' : behind ? 'behind' : 'live'));
    tell(p.latency, known ? milliseconds(latency) : '');
    p.latency.hidden = !known;
    p.badge.title = p.go.hidden ? `${this.language.say('latency')}: ${this.language.say('latencyMore')}` : '';
  }

  #showCentre({ state, reason, retryIn, busy, seen, remote }, waitsForTap) {
    const p = this.#parts;
    const lost = LOST.includes(state);
    p.spinner.hidden = !busy || waitsForTap || state === 'unplayable' || state === 'denied';
    p.big.hidden = !waitsForTap;
    label(p.big, this.language.say(state === 'blocked' ? 'blocked' : 'play'));
    p.note.hidden = !remote && (!busy || waitsForTap || !(lost || !seen));
    tell(p.title, this.language.say(remote ? 'onDevice' : state));
    const more = state === 'waiting' && !reason ? this.language.say('waitingMore') : this.language.reason(reason);
    const soon = retryIn === null ? '' : retryIn > 0.5 ? this.language.say('retryIn', { s: Math.ceil(retryIn) }) : this.language.say('retrying');
    tell(p.reason, [more, soon].filter(Boolean).join(' · '));
    p.reason.hidden = !p.reason.textContent;
    p.retry.hidden = !(retryIn > 1.5 || state === 'denied');
  }

  #showSound({ offersSound, muted, invite, volume, controls }, still) {
    const p = this.#parts;
    p.unmute.hidden = !controls || !muted || !offersSound || !invite || still;
    p.sound.hidden = !offersSound;
    face(p.mute, muted ? 'muted' : 'sound', this.language.say(muted ? 'sound' : 'mute'));
    const level = muted ? 0 : volume;
    if (p.slider.valueAsNumber !== level) p.slider.value = level;
  }

  fullscreen(on) {
    face(this.#parts.full, on ? 'unfull' : 'full', this.language.say(on ? 'unfull' : 'full'));
  }

  /** A few words for a moment. */
  toast(text) {
    const { toast } = this.#parts;
    toast.textContent = text;
    toast.classList.add('on');
    clearTimeout(this.#toasted);
    this.#toasted = setTimeout(() => toast.classList.remove('on'), TOAST_MS);
  }

  /** As a shutter does. */
  flash() {
    const { flash } = this.#parts;
    flash.hidden = false;
    setTimeout(() => (flash.hidden = true), 220);
  }

  /** Closes what is open; says whether there was anything. */
  close() {
    const open = [this.help, this.panel].find(sheet => sheet.isOpen);
    open?.close();
    return open !== undefined;
  }

  #ratio(element, ownWidth, ownHeight) {
    const { width, height } = shownSize(element, ownWidth, ownHeight);
    if (width && height) this.#sheet.cssRules[0].style.setProperty('--picture-ratio', `${width} / ${height}`);
  }

  #wake() {
    this.#root.classList.add('active');
    clearTimeout(this.#calm);
    this.#calm = setTimeout(() => this.#sleep(), CALM_MS);
  }

  #sleep() {
    this.#root.classList.remove('active');
  }
}

/** Another icon and another name for a button, where they have changed. */
function face(element, name, text) {
  if (element.dataset.icon !== name) {
    element.dataset.icon = name;
    element.querySelector('.icon').replaceWith(icon(name));
  }
  label(element, text);
}
