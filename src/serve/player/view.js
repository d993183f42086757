import { STYLE } from './style.js';

/** Strokes on a 24×24 grid. */
const ICONS = {
  muted: ['M11 5 6.5 9H3v6h3.5L11 19z', 'm16 9.5 5 5m0-5-5 5'],
  sound: ['M11 5 6.5 9H3v6h3.5L11 19z', 'M15 9a4.2 4.2 0 0 1 0 6M17.8 6.2a8.2 8.2 0 0 1 0 11.6'],
  full: ['M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5'],
  unfull: ['M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5'],
  pip: ['M21 10V6a1 1 0 0 0-1-1H4a1 1 0 0 0-1 1v12a1 1 0 0 0 1 1h6', 'M13.5 13.5H21V19h-7.5z'],
  play: ['M8 5v14l11-7z'],
};

/** What the player says to people. */
export const TEXT = {
  live: 'LIVE',
  connecting: 'Connecting',
  playing: 'Playing live',
  waiting: 'Waiting for the source',
  stalled: 'Waiting for the network',
  reconnecting: 'Reconnecting',
  blocked: 'Tap to play',
  unplayable: 'Cannot be played here',
  paused: 'Paused',
  idle: 'Stopped',
  unmute: 'Tap to unmute',
  mute: 'Mute',
  sound: 'Sound on',
  full: 'Full screen',
  unfull: 'Leave full screen',
  pip: 'Picture in picture',
};

/** The pointer was still for this long: the buttons go away. */
const CALM_MS = 2500;

/**
 * The player's face, inside the shadow root: elements for the picture, and what lies over them. It holds no state of its own but what
 * is shown.
 */
export class View {
  #root;
  #parts = {};
  #calm = 0;
  #sheet = new CSSStyleSheet();

  /** @param {ShadowRoot} shadow @param {{sound(): void, full(): void, pip(): void, play(): void}} actions what the buttons do */
  constructor(shadow, actions) {
    const part = (name, element) => (this.#parts[name] = element);
    this.video = h('video', { part: 'video', playsinline: '', tabindex: '-1' });
    this.image = h('img', { part: 'image', alt: '', hidden: '' });
    this.canvas = h('canvas', { part: 'canvas', width: '0', height: '0', hidden: '' });
    this.still = h('canvas', { part: 'still', hidden: '', 'aria-hidden': 'true' });
    this.#root = h('div', { class: 'root', part: 'root' }, this.video, this.image, this.canvas, this.still,
      part('badge', h('div', { class: 'badge', part: 'badge', hidden: '' }, h('i'), h('b', {}, TEXT.live), part('latency', h('span', { part: 'latency' })))),
      h('div', { class: 'center' },
        part('spinner', h('div', { class: 'spinner', part: 'spinner', hidden: '' })),
        part('play', button('play', TEXT.blocked, actions.play, { class: 'play', hidden: '' })),
        part('note', h('div', { class: 'note', part: 'message', hidden: '' }))),
      part('bar', h('div', { class: 'bar', part: 'controls' },
        part('sound', button('sound', TEXT.mute, actions.sound, { class: 'sound', hidden: '' })),
        part('pip', button('pip', TEXT.pip, actions.pip, { hidden: '' })),
        part('full', button('full', TEXT.full, actions.full)))),
      part('unmute', button('muted', TEXT.unmute, actions.sound, { class: 'pill', hidden: '' }, h('span', { part: 'unmute-text' }, TEXT.unmute))),
      part('status', h('div', { class: 'sr', role: 'status' })));
    this.#sheet.replaceSync(STYLE);
    shadow.adoptedStyleSheets = [this.#sheet];
    shadow.append(this.#root);
    for (const name of ['pointermove', 'pointerdown']) this.#root.addEventListener(name, () => this.#wake());
    this.#root.addEventListener('pointerleave', e => e.pointerType === 'mouse' && this.#sleep());
    this.video.addEventListener('dblclick', actions.full);
    this.video.addEventListener('resize', () => this.#ratio(this.video.videoWidth, this.video.videoHeight));
    this.image.addEventListener('load', () => this.#ratio(this.image.naturalWidth, this.image.naturalHeight));
  }

  /** Which of video, image and canvas shows the picture. */
  use(element) {
    for (const each of [this.video, this.image, this.canvas]) each.hidden = each !== element;
  }

  /** What shows the picture, and the picture's own size; 0 × 0 before there is one. */
  get picture() {
    if (!this.image.hidden) return { element: this.image, width: this.image.naturalWidth, height: this.image.naturalHeight };
    if (!this.canvas.hidden) return { element: this.canvas, width: this.canvas.width, height: this.canvas.height };
    const { videoWidth, videoHeight, readyState } = this.video;
    return { element: this.video, width: readyState < 2 ? 0 : videoWidth, height: readyState < 2 ? 0 : videoHeight };
  }

  /** Keeps the picture that is on the screen over what comes, until `release`. */
  hold() {
    const { element, width, height } = this.picture;
    if (!width || !height) return;
    this.still.width = width;
    this.still.height = height;
    this.still.getContext('2d').drawImage(element, 0, 0, width, height);
    this.still.hidden = false;
  }

  release() {
    this.still.hidden = true;
  }

  /**
   * @param {object} now
   * @param {string} now.state one of the states in docs/player.md
   * @param {string} now.reason why, in words; '' when all is well
   * @param {boolean} now.seen there was a picture
   * @param {boolean} now.busy the picture has stood still for long enough to say so
   * @param {number | null} now.latency in ms
   * @param {boolean} now.offersSound the stream has, or may have, sound
   * @param {boolean} now.muted
   * @param {boolean} now.controls
   */
  show({ state, reason, busy, seen, latency, offersSound, muted, controls }) {
    const p = this.#parts;
    if (!this.canvas.hidden) this.#ratio(this.canvas.width, this.canvas.height);
    const waitsForTap = state === 'blocked' || state === 'paused';
    this.#root.classList.toggle('live', state === 'playing' && !busy);
    this.#root.classList.toggle('lost', ['reconnecting', 'unplayable', 'waiting'].includes(state));
    p.badge.hidden = !controls || !seen || state === 'idle';
    p.latency.textContent = state === 'playing' && latency !== null ? latencyText(latency) : '';
    p.spinner.hidden = !busy || waitsForTap;
    p.play.hidden = !waitsForTap;
    p.note.hidden = !busy || !(reason || state === 'waiting');
    p.note.textContent = reason ? `${TEXT[state]}: ${reason}` : TEXT[state];
    p.unmute.hidden = !controls || !muted || !offersSound || waitsForTap;
    p.sound.hidden = muted || !offersSound;
    p.bar.hidden = !controls;
    p.pip.hidden = !(document.pictureInPictureEnabled && !this.video.hidden && this.video.requestPictureInPicture);
    if (p.status.textContent !== TEXT[state]) p.status.textContent = TEXT[state];
  }

  fullscreen(on) {
    this.#parts.full.replaceChildren(icon(on ? 'unfull' : 'full'));
    label(this.#parts.full, on ? TEXT.unfull : TEXT.full);
  }

  #ratio(width, height) {
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

function latencyText(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function button(name, text, run, attributes = {}, ...children) {
  const element = h('button', { type: 'button', part: `button ${name}-button`, ...attributes }, icon(name), ...children);
  label(element, text);
  element.addEventListener('click', run);
  return element;
}

function label(element, text) {
  element.setAttribute('aria-label', text);
  element.title = text;
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  for (const d of ICONS[name]) svg.appendChild(document.createElementNS(svg.namespaceURI, 'path')).setAttribute('d', d);
  return svg;
}

/** An element, without innerHTML, which pages with Trusted Types refuse. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
