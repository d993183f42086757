import { Session } from './session.js';
import { View } from './view.js';

const TICK_MS = 250;

/**
 * `<h5-live src="NAME">`: a live picture from h5serve. Attributes, events, methods and parts: docs/player.md.
 *
 * It ties the session, which plays, to the view, which shows, and both to the document.
 */
export class H5Live extends HTMLElement {
  static observedAttributes = ['src', 'muted', 'transport', 'controls'];

  #view;
  #session;
  #tick = 0;

  constructor() {
    super();
    const actions = { sound: () => (this.muted = !this.muted), full: () => this.#fullscreen(), pip: () => this.#pictureInPicture(), play: () => this.play() };
    this.#view = new View(this.attachShadow({ mode: 'open' }), actions);
    this.#session = new Session(this.#view, { change: (state, reason) => this.#changed(state, reason), silence: () => (this.muted = true) });
    this.addEventListener('fullscreenchange', () => this.#view.fullscreen(document.fullscreenElement === this));
  }

  connectedCallback() {
    document.addEventListener('visibilitychange', this.#onvisibility);
    addEventListener('online', this.#ononline);
    this.#tick ||= setInterval(() => this.#refresh(), TICK_MS);
    this.#view.video.muted = this.muted;
    if (this.#session.active) this.play();
    else this.#open();
  }

  disconnectedCallback() {
    // An element that is only moved in the document plays on.
    queueMicrotask(() => this.isConnected || this.#release());
  }

  attributeChangedCallback(name, old, value) {
    if (old === value || !this.isConnected) return;
    if (name === 'muted') this.#muteChanged();
    else if (name === 'controls') this.#refresh();
    else if (name === 'transport') this.#session.prefer(this.transport);
    else this.#open();
  }

  /** Name of a stream of the server that this module came from, or the address of a stream's page anywhere. */
  get src() {
    return this.getAttribute('src') ?? '';
  }

  set src(value) {
    this.setAttribute('src', value);
  }

  get muted() {
    return this.hasAttribute('muted');
  }

  set muted(value) {
    this.toggleAttribute('muted', Boolean(value));
  }

  /** Which transport is tried first: auto, or the name of one. To change it keeps the picture. */
  get transport() {
    return this.getAttribute('transport') ?? 'auto';
  }

  set transport(value) {
    this.setAttribute('transport', value);
  }

  /** One of idle, connecting, playing, stalled, waiting, reconnecting, unplayable, paused, blocked. */
  get state() {
    return this.#session.state;
  }

  /** What is known of the playback now, as plain data. */
  get stats() {
    return this.#session.stats;
  }

  /** Plays, from the live edge: after `stop`, after a pause, and from a gesture where the browser blocked the start. */
  play() {
    this.#session.play();
  }

  /** Lets go of the connection; the last picture stays. `play` begins again. */
  stop() {
    this.#session.stop();
  }

  #open() {
    this.#session.open(this.src, { sound: !this.muted, transport: this.transport });
  }

  #muteChanged() {
    this.#view.video.muted = this.muted;
    this.#session.listen(!this.muted);
    this.#refresh();
    this.dispatchEvent(new Event('volumechange'));
  }

  #onvisibility = () => this.#session.visible(!document.hidden);

  #ononline = () => this.#session.state === 'idle' || this.#session.again();

  #release() {
    document.removeEventListener('visibilitychange', this.#onvisibility);
    removeEventListener('online', this.#ononline);
    clearInterval(this.#tick);
    this.#tick = 0;
    this.stop();
  }

  #changed(state, reason) {
    this.dispatchEvent(new CustomEvent('statechange', { detail: { state, reason } }));
    if (this.isConnected) this.#refresh();
  }

  #refresh() {
    const busy = this.#session.tick();
    this.#view.show({
      state: this.#session.state,
      reason: this.#session.reason,
      busy,
      seen: this.#session.pictures > 0,
      latency: this.#session.latency,
      offersSound: this.#session.offersSound,
      muted: this.muted,
      controls: this.getAttribute('controls') !== 'none',
    });
  }

  #fullscreen() {
    if (document.fullscreenElement === this) document.exitFullscreen();
    else if (this.requestFullscreen) this.requestFullscreen().catch(() => {});
    else this.#view.video.webkitEnterFullscreen?.(); // iPhone: only the video itself
  }

  #pictureInPicture() {
    if (document.pictureInPictureElement) document.exitPictureInPicture();
    else this.#view.video.requestPictureInPicture().catch(() => {});
  }
}

if (!customElements.get('h5-live')) customElements.define('h5-live', H5Live);
