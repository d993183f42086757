import { Backoff, Median, ServerClock } from './clock.js';
import { MseTransport, isSound } from './mse.js';
import { JpegTransport } from './jpeg.js';
import { Mp4Transport, MultipartTransport } from './http.js';
import { TEXT, View } from './view.js';

const TRANSPORTS = { mse: MseTransport, mjpeg: JpegTransport, mp4: Mp4Transport, multipart: MultipartTransport };
/** A picture that stands still for this long, or for two and a half frames where they come more slowly, gets a spinner. */
const BUSY_MS = 500;
/** Connected, but no data for this long: it is the source that is quiet. */
const QUIET_MS = 2000;
/** A muted player in a hidden tab lets go of its connection after this time. */
const PARK_MS = 30000;
const TICK_MS = 250;

/**
 * `<h5-live src="NAME">`: a live picture from h5serve. Attributes, events, methods and parts: docs/player.md.
 *
 * It chooses a transport, starts a new attempt when one fails, and tells the view what to show. How a picture comes and stays live is the
 * transports' work.
 */
export class H5Live extends HTMLElement {
  static observedAttributes = ['src', 'muted', 'transport', 'controls'];

  #view;
  #transport = null;
  #clock = new ServerClock();
  #backoff = new Backoff();
  #latency = new Median(15);
  #state = 'idle';
  #reason = '';
  #info = {};
  #candidate = 0;
  #unplayable = '';
  #unreachable = 0;
  #shownAt = -Infinity;
  #pictures = 0;
  #reconnects = 0;
  #begun = 0;
  #retry = 0;
  #tick = 0;
  #park = 0;

  constructor() {
    super();
    const actions = { sound: () => (this.muted = !this.muted), full: () => this.#fullscreen(), pip: () => this.#pictureInPicture(), play: () => this.play() };
    this.#view = new View(this.attachShadow({ mode: 'open' }), actions);
    this.addEventListener('fullscreenchange', () => this.#view.fullscreen(document.fullscreenElement === this));
  }

  connectedCallback() {
    document.addEventListener('visibilitychange', this.#onvisibility);
    addEventListener('online', this.#again);
    this.#tick ||= setInterval(() => this.#refresh(), TICK_MS);
    this.#view.video.muted = this.muted;
    if (this.#transport) this.play();
    else this.#connect();
  }

  disconnectedCallback() {
    // An element that is only moved in the document plays on.
    queueMicrotask(() => this.isConnected || this.#release());
  }

  attributeChangedCallback(name, old, value) {
    if (old === value || !this.isConnected) return;
    if (name === 'muted') this.#muteChanged();
    else if (name === 'controls') this.#refresh();
    else this.#restart();
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

  /** One of idle, connecting, playing, stalled, waiting, reconnecting, paused, blocked. */
  get state() {
    return this.#state;
  }

  /** What is known of the playback now, as plain data. */
  get stats() {
    const { videoWidth, videoHeight, currentTime, playbackRate, buffered } = this.#view.video;
    const { edge, link, codecs = '', dropped = 0, appends = 0 } = this.#transport ?? {};
    return {
      state: this.#state,
      reason: this.#reason,
      transport: this.#transport?.constructor.label ?? '',
      codecs,
      sound: Boolean(this.#transport?.hasSound) && !this.muted,
      width: videoWidth || this.#view.image.naturalWidth,
      height: videoHeight || this.#view.image.naturalHeight,
      latency: this.#latency.value,
      roundTrip: this.#clock.roundTrip,
      clockOffset: this.#clock.offset,
      buffer: buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0,
      rate: playbackRate,
      pictures: this.#pictures,
      bytes: link?.bytes ?? 0,
      chunk: edge?.chunk ?? null,
      ...edge?.stats,
      appends,
      dropped,
      reconnects: this.#reconnects,
    };
  }

  /** Plays, from the live edge: after `stop`, after a pause, and from a gesture where the browser blocked the start. */
  play() {
    if (!this.#transport) return this.#restart();
    if (this.#state === 'blocked') this.#setState('connecting');
    this.#transport.foreground();
  }

  /** Lets go of the connection; the last picture stays. `play` begins again. */
  stop() {
    this.#drop();
    this.#setState('idle');
  }

  #restart() {
    this.#drop();
    this.#candidate = 0;
    this.#info = {};
    this.#backoff.reset();
    this.#connect();
  }

  /** Starts an attempt with the transport whose turn it is. */
  #connect() {
    this.#drop();
    const addresses = this.src && resolve(this.src);
    if (!addresses) return this.#setState('idle', this.src ? 'src is not an address' : '');
    const name = this.#candidates()[this.#candidate];
    const Transport = TRANSPORTS[name];
    const element = name === 'mse' || name === 'mp4' ? this.#view.video : this.#view.image;
    this.#view.hold();
    this.#view.use(element);
    if (this.#state !== 'reconnecting') {
      this.#begun = performance.now();
      this.#setState('connecting');
    }
    const options = { ...addresses, sound: !this.muted, clock: this.#clock };
    this.#transport = new Transport(element, options, {
      shown: picture => this.#shown(picture),
      info: info => (this.#info = { ...this.#info, ...info }),
      blocked: () => this.#blocked(),
      failed: (reason, how) => this.#failed(reason, how),
    });
  }

  /** Which transports there are to try, the best first. */
  #candidates() {
    const asked = this.getAttribute('transport');
    if (TRANSPORTS[asked]) return [asked];
    // No WebSocket gets through, and none ever did: some proxies are like that.
    if (this.#unreachable >= 2 && this.#pictures === 0) return ['mp4', 'multipart'];
    return MseTransport.supported() ? ['mse', 'mjpeg'] : ['mjpeg', 'mp4'];
  }

  #drop() {
    clearTimeout(this.#retry);
    this.#transport?.stop();
    this.#transport = null;
  }

  #failed(reason, { unplayable = false, soon = false, unreachable = false } = {}) {
    this.#transport = null;
    if (unplayable) {
      this.#unplayable ||= reason;
      if (++this.#candidate < this.#candidates().length) return this.#connect();
      this.#unreachable = this.#candidate = 0;
    }
    if (unreachable) this.#unreachable++;
    if (this.#pictures > 0) this.#reconnects++;
    this.#retry = setTimeout(() => this.#connect(), soon ? 100 : this.#backoff.next());
    this.#setState('reconnecting', this.#unplayable || reason);
    this.#unplayable = '';
  }

  /** The browser plays nothing before a gesture. With sound: perhaps without sound then. */
  #blocked() {
    if (!this.muted) this.muted = true;
    else this.#setState('blocked');
  }

  #shown({ media, at }) {
    const now = performance.now();
    this.#shownAt = now;
    this.#pictures++;
    const captured = media === null ? null : this.#transport.capturedAt(media);
    if (captured !== null && this.#clock.offset !== null) this.#latency.add(at + this.#clock.offset - captured);
    if (this.#state === 'playing') return;
    this.#backoff.reset();
    this.#unreachable = 0;
    this.#unplayable = '';
    this.#latency = new Median(15);
    this.#view.release();
    this.#setState('playing');
  }

  #muteChanged() {
    this.#view.video.muted = this.muted;
    const wrong = this.#transport instanceof MseTransport && !this.muted !== this.#transport.hasSound;
    // Without sound only video is taken: a sound track makes Chromium show the picture later, even when it is muted.
    if (wrong && this.#offersSound) this.#connect();
    else this.#transport?.foreground();
    this.#refresh();
    this.dispatchEvent(new Event('volumechange'));
  }

  /** Until the server has said what there is, it may be anything. */
  get #offersSound() {
    if (this.#transport && this.#view.video.hidden) return false;
    return !this.#info.silent && (this.#info.codecs?.some(isSound) ?? true);
  }

  #onvisibility = () => {
    clearTimeout(this.#park);
    if (document.hidden) {
      this.#park = setTimeout(() => this.muted && !document.pictureInPictureElement && this.#drop(), PARK_MS);
    } else if (this.#transport) {
      this.#transport.foreground();
    } else if (this.#state !== 'idle') {
      this.#again();
    }
  };

  #again = () => {
    if (this.#state === 'reconnecting' || !this.#transport) this.#restart();
  };

  #release() {
    document.removeEventListener('visibilitychange', this.#onvisibility);
    removeEventListener('online', this.#again);
    clearInterval(this.#tick);
    clearTimeout(this.#park);
    this.#tick = 0;
    this.stop();
  }

  /** A few times a second: is the picture moving, and if not, whose fault is it? */
  #refresh() {
    const now = performance.now();
    const frame = 1000 * (this.#transport?.edge?.chunk ?? 0);
    const still = document.hidden ? 0 : now - Math.max(this.#shownAt, this.#begun);
    const busy = still > Math.max(BUSY_MS, 2.5 * frame) && this.#state !== 'idle';
    const link = this.#transport?.link;
    const quiet = link?.opened && now - link.dataAt > Math.max(QUIET_MS, 3 * frame);
    if (['playing', 'stalled', 'waiting', 'paused'].includes(this.#state)) {
      const paused = this.#view.video.paused && !this.#view.video.hidden && this.#pictures > 0;
      this.#setState(paused ? 'paused' : !busy ? 'playing' : quiet ? 'waiting' : 'stalled');
    } else if (this.#state === 'connecting' && quiet) {
      this.#setState('waiting');
    }
    this.#show(busy);
  }

  #setState(state, reason = '') {
    if (state === this.#state && reason === this.#reason) return;
    this.#state = state;
    this.#reason = reason;
    this.dispatchEvent(new CustomEvent('statechange', { detail: { state, reason } }));
    if (this.isConnected) this.#refresh();
  }

  #show(busy) {
    this.#view.show({
      state: this.#state,
      reason: this.#reason,
      busy,
      seen: this.#pictures > 0,
      latency: this.#latency.value,
      offersSound: this.#offersSound,
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

/** Addresses of a stream, from its name or from the address of its page, `…/NAME`. */
function resolve(src) {
  const base = import.meta.url.startsWith('http') ? import.meta.url : document.baseURI;
  if (!URL.canParse(src, base)) return null;
  const page = new URL(src, base);
  page.search = page.hash = '';
  const socket = new URL('api/ws', page);
  socket.protocol = page.protocol.replace('http', 'ws');
  socket.search = `src=${page.pathname.split('/').pop()}`;
  return { ws: socket.href, mp4: `${page.href}.mp4`, mjpg: `${page.href}.mjpg` };
}

if (!customElements.get('h5-live')) customElements.define('h5-live', H5Live);
