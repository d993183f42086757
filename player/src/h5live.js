import { History } from './engine/history.js';
import { actionOf } from './ui/keys.js';
import { choose } from './ui/texts.js';
import { copyText } from './ui/dom.js';
import { download, snapshot, snapshotName } from './ui/snapshot.js';
import { join, leave } from './engine/crowd.js';
import { bufferTargetOf } from './engine/jitter.js';
import { keepLatency, keepVolume, recallLatency, recallVolume } from './engine/memory.js';
import { Remote } from './engine/remote.js';
import { resolve } from './addresses.js';
import { Session } from './session.js';
import { View } from './ui/view.js';

const TICK_MS = 250;
/** A picture later than this, or with so much in the buffer, is behind: it should not be. */
const BEHIND_MS = 2000;
/** Out of sight for this long, a lazy player closes its connection. */
const UNSEEN_MS = 1000;
/** What people may choose from, and what it is called. */
const CHOICES = [['webcodecs', 'WebCodecs'], ['mse', 'MSE'], ['mjpeg', 'MJPEG'], ['mp4', 'MP4 (HTTP)'], ['hls', 'HLS'], ['multipart', 'MJPEG (HTTP)']];
/** How much may be in hand: choices of `latency`. */
const LATENCIES = ['low', 'smooth', '1', '3', '10'];
/** On a server (React, Vue) there are no elements: there the module may be imported, and does nothing. */
const Base = globalThis.HTMLElement ?? class {};

/**
 * `<h5-live src="NAME">`: a live picture from h5serve. Attributes, events, methods and parts: docs/player.md.
 *
 * It ties the session, which plays, to the view, which shows, and both to the document.
 */
export class H5Live extends Base {
  static observedAttributes = ['src', 'muted', 'transport', 'quality', 'latency', 'controls', 'lang', 'poster'];

  #view;
  #session;
  #remote;
  #history = new History();
  #tick = 0;
  #volume = 1;
  #invite = true;
  #sight = null;
  #unseen = 0;
  #away = false;

  constructor() {
    super();
    this.#view = new View(this.attachShadow({ mode: 'open' }), {
      toggle: () => this.#act('toggle'),
      live: () => this.goLive(),
      sound: () => this.#act('sound'),
      full: () => this.#fullscreen(),
      pip: () => this.#pictureInPicture(),
      cast: () => this.#remote.prompt(),
      snapshot: () => this.#act('snapshot'),
      retry: () => this.#open(),
      copy: () => this.#copy(),
      volume: volume => (this.volume = volume),
      transport: name => (this.transport = name),
      transports: CHOICES,
      quality: name => (this.quality = name),
      latency: choice => this.#chooseLatency(choice),
      latencies: LATENCIES,
    });
    this.#session = new Session(this.#view, { change: (state, reason) => this.#changed(state, reason), silence: () => (this.muted = true), position: () => this.#moved(), refused: reason => this.#view.toast(this.#view.language.reason(reason)) });
    this.#remote = new Remote(this.#view.remote, { changed: () => this.#refresh(), connected: is => this.#elsewhere(is), failed: () => this.#view.toast(this.#view.language.say('castFailed')) });
    this.addEventListener('fullscreenchange', () => this.#refresh());
    for (const left of ['leavepictureinpicture', 'webkitendfullscreen']) this.#view.video.addEventListener(left, () => this.#session.intoVideo(false));
    this.addEventListener('keydown', this.#onkey);
  }

  connectedCallback() {
    document.addEventListener('visibilitychange', this.#onvisibility);
    document.addEventListener('keydown', this.#onpagekey);
    addEventListener('online', this.#ononline);
    this.#tick ||= setInterval(() => this.#refresh(), TICK_MS);
    join(this.#oncrowd);
    this.#speak();
    this.#volume = recallVolume();
    this.#soundChanged();
    this.#session.bufferTarget = bufferTargetOf(this.latency);
    if (this.#session.active) this.play();
    else if (this.getAttribute('loading') === 'lazy') this.#watchSight();
    else if (!this.#waits) this.#open();
    this.#refresh();
  }

  disconnectedCallback() {
    // An element that is only moved in the document plays on.
    queueMicrotask(() => this.isConnected || this.#release());
  }

  attributeChangedCallback(name, old, value) {
    if (old === value || !this.isConnected) return;
    if (name === 'muted') this.#muteChanged();
    else if (name === 'lang') this.#speak();
    else if (name === 'controls' || name === 'poster') this.#refresh();
    else if (name === 'transport') this.#session.prefer(this.transport);
    else if (name === 'quality') this.#session.preferQuality(this.quality);
    else if (name === 'latency') this.#session.bufferTarget = bufferTargetOf(this.latency);
    else if (this.#away || this.#waits) this.#refresh();
    else this.#open();
  }

  /** Name of a stream of the server that this module came from, or the address of a stream's page or WebSocket anywhere. */
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

  /** 0 to 1; kept for the next visit. */
  get volume() {
    return this.#volume;
  }

  set volume(value) {
    const volume = Math.min(1, Math.max(0, Number(value) || 0));
    this.#invite = false;
    if (volume > 0) {
      this.#volume = volume;
      keepVolume(volume);
    }
    this.#soundChanged();
    if (this.muted !== (volume === 0)) this.muted = volume === 0;
    else this.dispatchEvent(new Event('volumechange'));
  }

  /** Which transport is tried first: auto, or the name of one. To change it keeps the picture. */
  get transport() {
    return this.getAttribute('transport') ?? 'auto';
  }

  set transport(value) {
    this.setAttribute('transport', value);
  }

  /** `auto`, or the name of one of the qualities that a group of streams has. To change it keeps the picture. */
  get quality() {
    return this.getAttribute('quality') ?? 'auto';
  }

  set quality(value) {
    this.setAttribute('quality', value);
  }

  /** `low`, `smooth`, or seconds to have in hand, up to 30. Without the attribute it is what was chosen in the menu last. */
  get latency() {
    return this.getAttribute('latency') ?? recallLatency();
  }

  set latency(value) {
    this.setAttribute('latency', value);
  }

  /** One of idle, connecting, playing, stalled, waiting, reconnecting, unplayable, denied, paused, blocked. */
  get state() {
    return this.#session.state;
  }

  /** The moment that is on the screen, of what was before; null where it is live. @returns {Date | null} */
  get position() {
    return this.#session.position;
  }

  /** Shows what was before. @param {number | Date | string} time  so many seconds before now, or a moment */
  rewind(time) {
    const moment = typeof time === 'number' ? -time : new Date(time);
    if (Number.isFinite(Number(moment))) this.#session.ask('seek', moment);
  }

  /** Back to what is live. */
  live() {
    if (this.#session.position) this.#session.ask('live');
    else this.goLive();
  }

  /** How fast the past is played: 0.25 to 16, or backwards -1 to -16. Above 4, and backwards, keyframes alone are shown. */
  speed(speed) {
    this.#session.ask('speed', speed);
  }

  /** Stands still, so many pictures on or back. */
  step(pictures) {
    this.#session.ask('step', pictures);
  }

  /** What is known of the playback now, as plain data. */
  get stats() {
    const stats = this.#session.stats;
    // Over plain HTTP only the browser counts.
    const counted = stats.bytes > 0;
    return { ...stats, fps: counted ? this.#history.fps : null, bitrate: counted ? this.#history.bitrate : null, volume: this.#volume };
  }

  /** Plays, from the live edge: after `stop`, after a pause, and from a gesture where the browser blocked the start. */
  play() {
    if (this.#remote.isConnected) this.#remote.stop();
    else if (this.#waits) this.#open();
    else this.#session.play();
  }

  /** Keeps the picture that is on the screen, until `play`. */
  pause() {
    this.#session.pause();
  }

  /** Lets go of the connection; the last picture stays. `play` begins again. */
  stop() {
    this.#session.stop();
  }

  /** To the live edge, when the picture is paused or has fallen behind. */
  goLive() {
    if (this.#session.position) return this.#session.ask('live');
    const stats = this.#session.stats;
    // What waits in the buffer is skipped; what is late on its way needs a new connection.
    if (this.state === 'playing' && this.#isBehind(stats) && !(stats.seeks >= 0 && stats.buffer > 1 + stats.bufferTarget)) this.#open();
    else this.play();
  }

  /** The picture on the screen in its full size. @returns {Promise<Blob>} a PNG */
  async snapshot() {
    for (let i = 0; i < 20 && !this.#view.screen.ready && this.#session.pictures > 0; i++) await new Promise(resolve => setTimeout(resolve, 50));
    return snapshot(this.#view.screen);
  }

  /** It has not begun, and does not before somebody asks for it. */
  get #waits() {
    return this.getAttribute('autoplay') === 'none' && !this.#session.name;
  }

  /** A still picture for as long as there is none: what the page names, or, where nothing plays by itself, the newest one that the server has. */
  get #poster() {
    const named = this.getAttribute('poster');
    if (named === 'none' || this.#session.pictures > 0 || this.state === 'denied' || !this.src) return '';
    const rests = this.state === 'blocked' || (this.#session.resting && !this.#away);
    return named || (rests && resolve(this.src)?.jpg) || '';
  }

  /** Another device plays it, or does not any more. */
  #elsewhere(is) {
    if (is) this.#session.stop();
    else if (this.isConnected) this.#session.play();
    this.#refresh();
  }

  #open() {
    this.#remote.stop();
    this.#session.open(this.src, { sound: !this.muted, transport: this.transport, quality: this.quality });
  }

  #speak() {
    this.#view.language.use(choose(this.lang ? [this.lang] : navigator.languages));
  }

  #muteChanged() {
    this.#soundChanged();
    this.#session.listen(!this.muted);
    this.#refresh();
    this.dispatchEvent(new Event('volumechange'));
  }

  #chooseLatency(choice) {
    keepLatency(choice);
    this.latency = choice;
  }

  #soundChanged() {
    this.#view.video.muted = this.muted;
    this.#session.volume = this.#volume;
  }

  #onvisibility = () => this.#session.visible(!document.hidden);

  #oncrowd = () => this.#session.reconsider();

  #ononline = () => this.#session.resting || this.#away || this.#session.again();

  /** Plays while it can be seen. */
  #watchSight() {
    this.#away = true;
    this.#sight ??= new IntersectionObserver(entries => this.#seen(entries.at(-1).isIntersecting), { rootMargin: '100px' });
    this.#sight.observe(this);
  }

  #seen(seen) {
    clearTimeout(this.#unseen);
    if (seen && this.#away) {
      this.#away = false;
      this.#open();
    } else if (!seen && !this.#away) {
      this.#unseen = setTimeout(() => this.#lookedAway(), UNSEEN_MS);
    }
  }

  #lookedAway() {
    if (this.#session.resting || document.pictureInPictureElement === this) return;
    this.#away = true;
    this.stop();
  }

  #release() {
    document.removeEventListener('visibilitychange', this.#onvisibility);
    document.removeEventListener('keydown', this.#onpagekey);
    removeEventListener('online', this.#ononline);
    leave(this.#oncrowd);
    this.#sight?.disconnect();
    this.#remote.stop();
    clearInterval(this.#tick);
    clearTimeout(this.#unseen);
    this.#tick = 0;
    this.stop();
  }

  #changed(state, reason) {
    // Once there is a picture: before that, nothing else is to be done. What is no video has no HLS.
    if (state === 'playing' && this.#session.offersVideo && this.hasAttribute('remote')) this.#remote.watch(resolve(this.src).hls);
    this.dispatchEvent(new CustomEvent('statechange', { detail: { state, reason } }));
    if (this.isConnected) this.#refresh();
  }

  #moved() {
    this.dispatchEvent(new CustomEvent('position', { detail: { position: this.position, speed: this.#session.speed } }));
    this.#refresh();
  }

  #isBehind({ latency, buffer, bufferTarget }) {
    const limit = BEHIND_MS + 1000 * (bufferTarget ?? 0);
    return (latency > limit && latency < limit + 60000) || 1000 * buffer > limit;
  }

  #refresh() {
    const busy = this.#session.tick();
    const stats = this.#session.stats;
    const now = performance.now();
    const playing = this.state === 'playing';
    this.#history.add(now, { ...stats, latency: playing ? stats.latency : null });
    this.#view.show({
      name: this.#session.name || (resolve(this.src)?.name ?? ''),
      state: this.state,
      reason: this.#session.reason,
      retryIn: this.#session.retryIn === null ? null : this.#session.retryIn / 1000,
      busy,
      seen: this.#session.pictures > 0,
      behind: Boolean(this.position) || (playing && this.#isBehind(stats)),
      latency: this.#session.latency,
      offersSound: this.#session.offersSound,
      offersVideo: this.#session.offersVideo,
      muted: this.muted,
      invite: this.#invite,
      volume: this.#volume,
      poster: this.#poster,
      offersRemote: this.#remote.isAvailable,
      remote: this.#remote.isConnected,
      controls: this.getAttribute('controls') !== 'none',
    });
    if (this.#view.panel.isOpen) this.#view.panel.show(this.stats, this.#history.latencies(now), this, this.#session.qualities);
  }

  #onkey = event => {
    const action = this.getAttribute('keys') === 'none' ? undefined : actionOf(event);
    if (!action || (action === 'close' && !this.#view.close())) return;
    event.preventDefault();
    if (!event.repeat || action === 'louder' || action === 'quieter') this.#act(action);
  };

  /** With `keys="page"` it takes the keys that nothing else on the page wants. */
  #onpagekey = event => {
    const free = event.target === document.body || event.target === document.documentElement;
    if (free && this.getAttribute('keys') === 'page') this.#onkey(event);
  };

  /** What a key or a button asks for; where the picture alone would not show it, in words too. */
  #act(action) {
    const view = this.#view;
    const say = (key, values) => view.toast(view.language.say(key, values));
    const louder = step => {
      this.volume = Math.round(20 * ((this.muted ? 0 : this.#volume) + step)) / 20;
      say('volumeAt', { n: Math.round(100 * (this.muted ? 0 : this.#volume)) });
    };
    const actions = {
      toggle: () => (['paused', 'idle', 'blocked'].includes(this.state) ? this.play() : this.pause()),
      live: () => this.goLive(),
      sound: () => {
        this.#invite = false;
        this.muted = !this.muted;
        say(this.muted ? 'muted' : 'volumeAt', { n: Math.round(100 * this.#volume) });
      },
      louder: () => louder(0.1),
      quieter: () => louder(-0.1),
      full: () => this.#fullscreen(),
      pip: () => this.#pictureInPicture(),
      snapshot: () => this.#saveSnapshot(say),
      stats: () => view.panel.toggle(),
      help: () => view.help.toggle(),
    };
    actions[action]?.();
    this.#refresh();
  }

  async #saveSnapshot(say) {
    try {
      download(await this.snapshot(), snapshotName(this.#session.name));
      this.#view.flash();
      say('snapshotSaved');
    } catch (error) {
      say('snapshotFailed', { why: this.#view.language.reason(error.message) });
    }
  }

  async #copy() {
    const report = { ...this.stats, page: location.href, time: new Date().toISOString(), browser: navigator.userAgent };
    const copied = await copyText(JSON.stringify(report, null, 2), this.#view.panel.element);
    this.#view.toast(this.#view.language.say(copied ? 'copied' : 'copyFailed'));
  }

  #fullscreen() {
    if (document.fullscreenElement === this) document.exitFullscreen();
    else if (this.requestFullscreen) this.requestFullscreen().catch(() => {});
    else this.#withVideo(video => video.webkitEnterFullscreen?.()); // iPhone: only the video itself
  }

  #pictureInPicture() {
    if (document.pictureInPictureElement) document.exitPictureInPicture();
    else this.#withVideo(video => video.requestPictureInPicture?.());
  }

  /** Does what only a `<video>` can: the picture comes by a transport that has one, until the video comes back. */
  async #withVideo(run) {
    try {
      if (!(await this.#session.intoVideo(true))) throw new Error('no video');
      await run(this.#view.video);
    } catch {
      this.#session.intoVideo(false);
    }
  }
}

if (globalThis.customElements && !customElements.get('h5-live')) customElements.define('h5-live', H5Live);
