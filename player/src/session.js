import { ServerClock } from './engine/clock.js';
import { Latency } from './engine/latency.js';
import { Retry } from './engine/retry.js';
import { isSound } from './engine/codecs.js';
import { inQuality, resolve } from './addresses.js';
import { Past } from './past.js';
import { Quality } from './engine/quality.js';
import { Choice, TRANSPORTS } from './transports/choice.js';
import { unload } from './transports/transport.js';
import { Reporter } from './engine/report.js';
import { isQuiet } from './engine/sight.js';

/** A picture that stands still for this long, or for two and a half frames where they come more slowly, gets a spinner. */
const BUSY_MS = 500;
/** Why the server sends nothing although the source does; as in /api/streams. */
const TROUBLES = {
  'no-picture': 'no picture so far, only sound',
  'no-keyframe': "no keyframe so far; set the encoder's keyframe interval to 1 s",
  'keyframe-lost': "no keyframe for a new viewer; set the encoder's keyframe interval to 1 s",
};
/** A silent player in a hidden tab closes its connection after this time. */
const PARK_MS = 30000;
/** What cannot be played is asked for again after this time: another writer may have come. */
const UNPLAYABLE_MS = 10000;
/** So long another transport has for its first picture in the `<video>`: a gesture is worth about as much. */
const INTO_VIDEO_MS = 4000;

/**
 * The watching of one stream: starts an attempt with the transport of its choice, a new one when that fails, and knows what is to be said of it. How a
 * picture comes and stays live is the transports' work; how all looks is the view's.
 *
 * @typedef {object} Stage  Where pictures are shown.
 * @property {HTMLVideoElement} video
 * @property {HTMLImageElement} image
 * @property {HTMLCanvasElement} canvas
 * @property {{width: number, height: number}} picture  the size of what is shown
 * @property {(element: HTMLElement) => void} use  which of them shows the picture
 * @property {() => void} hold     keeps the picture that is on the screen over what comes
 * @property {() => void} release  until now
 */
export class Session {
  #stage;
  #events;
  #addresses = null;
  #choice = new Choice();
  #quality = new Quality();
  #sound = false;
  #volume = 1;
  #bufferTarget = 0;
  #transport = null;
  #name = '';
  #clock = new ServerClock();
  #latency = new Latency(this.#clock);
  #state = 'idle';
  #reason = '';
  #info = {};
  #shownAt = -Infinity;
  #pictures = 0;
  #reconnects = 0;
  #begun = 0;
  #retry = new Retry(() => this.#connect());
  #park = 0;
  #past = new Past();
  /** A picture is kept over what comes. */
  #held = false;
  #reporter = new Reporter();

  /**
   * @param {Stage} stage
   * @param {{change: (state: string, reason: string) => void, silence: () => void, position: () => void, refused: (reason: string) => void}} events  `silence`: the
   *   browser refuses sound before a gesture, and is to be asked without. `position`: of the past, or it is live again
   */
  constructor(stage, events) {
    this.#stage = stage;
    this.#events = events;
  }

  /** One of idle, connecting, playing, stalled, waiting, reconnecting, unplayable, denied, paused, blocked. */
  get state() {
    return this.#state;
  }

  /** Why, in words; '' when all is well. */
  get reason() {
    return this.#reason;
  }

  /** Of the stream. */
  get name() {
    const name = this.#addresses?.name ?? '';
    try {
      return decodeURIComponent(name);
    } catch {
      return name;
    }
  }

  /** Milliseconds to the next attempt; null when none is due. */
  get retryIn() {
    return this.#retry.in;
  }

  /** The moment that is shown of the past; null where it is live. */
  get position() {
    return this.#past.position;
  }

  /** How fast the past is played; 1 when it is live. */
  get speed() {
    return this.#past.speed;
  }

  /** What was before can be asked for, on this connection. */
  get offersPast() {
    return Boolean(this.#transport?.link) && this.#transport.constructor.sound;
  }

  /** Asks for the past: `seek`, `live`, `speed`, `step`; without a connection as soon as there is one. */
  ask(type, value) {
    if (type === 'live' && !this.#past.isShown) return;
    const message = { type, value };
    const stands = type === 'step' || (type !== 'live' && this.#past.paused);
    if (stands) this.#transport?.stand();
    else if (this.#past.isShown || type !== 'seek') this.#transport?.goOn();
    if (this.#transport?.link?.opened && !this.#past.waits) this.#send(message);
    else {
      this.#past.want(message);
      if (!this.#transport) this.again();
    }
  }

  #send(message) {
    if (message.type !== 'live') {
      this.#transport.past = true;
      this.#past.begin();
      this.#latency.reset();
    }
    this.#transport.link.send(message);
  }

  /** What the server says of it. */
  #located(where) {
    this.#past.located(where);
    this.#latency.reset();
    this.#events.position();
  }

  get active() {
    return this.#transport !== null;
  }

  get pictures() {
    return this.#pictures;
  }

  /** From capture to screen, in ms; null while not known. */
  get latency() {
    return this.#latency.value;
  }

  /** The stream has, or may have, sound: until the server has said what there is, it may be anything. */
  get offersSound() {
    if (this.#transport && !this.#transport.constructor.sound) return false;
    return !this.#info.silent && (this.#info.codecs?.some(isSound) ?? true);
  }

  /** What the server has said of a stream in which no viewer can begin. */
  get #trouble() {
    return TROUBLES[this.#info.trouble] ?? '';
  }

  /** The qualities that the stream has, the best first; and the one that is shown. */
  get qualities() {
    return this.#info.qualities ?? [];
  }

  /** Pictures that came and were never on the screen. */
  get #unshown() {
    return this.#transport?.unshown ?? 0;
  }

  /** What is known of the playback now, as plain data. */
  get stats() {
    const { currentTime, playbackRate, buffered } = this.#stage.video;
    const { width, height } = this.#stage.picture;
    const { edge, link, buffer, codecs = '', dropped = 0, appends = 0, signal = '' } = this.#transport ?? {};
    return {
      state: this.#state,
      reason: this.#reason,
      transport: this.#transport?.constructor.label ?? '',
      why: this.#choice.why(this.#name),
      codecs,
      quality: this.qualities.length > 1 ? (this.#info.quality ?? null) : null,
      sound: Boolean(this.#transport?.hasSound) && this.#sound,
      width,
      height,
      latency: this.#latency.value,
      roundTrip: this.#clock.roundTrip,
      clockOffset: this.#clock.offset,
      bufferTarget: this.#bufferTarget === 0 || this.#transport?.constructor.buffers ? this.#bufferTarget : null,
      buffer: buffer ?? (buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0),
      rate: playbackRate,
      pictures: this.#pictures,
      bytes: link?.bytes ?? 0,
      chunk: edge?.chunk ?? null,
      ...edge?.stats,
      appends,
      signal,
      dropped,
      unshown: this.#unshown,
      reconnects: this.#reconnects,
    };
  }

  /**
   * Begins with a stream.
   * @param {string} src  its name, or the address of its page; '' is none
   * @param {{sound: boolean, transport: string, quality: string}} wanted
   */
  open(src, { sound, transport, quality }) {
    this.#drop();
    this.#past.reset();
    this.#addresses = src ? resolve(src) : null;
    if (!this.#addresses) return this.#setState('idle', src ? 'src is not an address' : '');
    this.#sound = sound;
    this.#choice.ask(transport);
    this.#quality = new Quality();
    this.#quality.choose(quality);
    this.#info = {};
    this.#retry.reset();
    this.#connect();
  }

  /** Plays, from the live edge: after `stop`, after a pause, and from a gesture where the browser blocked the start. */
  play() {
    if (!this.#transport) return this.again();
    if (this.#past.paused) {
      this.#past.paused = false;
      this.#transport.goOn();
      return this.#send({ type: 'play' });
    }
    if (this.#state === 'blocked') this.#setState('connecting');
    this.#transport.foreground();
  }

  /** Lets go of the connection; the last picture stays. `play` begins again. */
  stop() {
    this.#rest('idle');
  }

  /** As `stop`, but somebody only wants to look at the picture for a while. */
  pause() {
    if (!this.#past.isShown || !this.#transport) return this.#rest('paused');
    this.#past.paused = true;
    const media = this.#transport.stand();
    this.#send({ type: 'pause', value: media === null ? null : { media } });
    this.#setState('paused');
  }

  #rest(state) {
    clearTimeout(this.#park);
    this.#stage.hold();
    this.#drop();
    this.#setState(state);
  }

  /** It is not meant to play. */
  get resting() {
    return !this.#transport && (this.#state === 'idle' || this.#state === 'paused');
  }

  /** Another transport first, from now on; the last picture stays until the new one has its own. */
  prefer(transport) {
    this.#choice.ask(transport);
    if (!this.resting) this.#connect();
  }

  /** In this quality, `auto` or the name of one; the last picture stays until there is one of it. */
  preferQuality(name) {
    const before = this.#quality.name;
    this.#quality.choose(name);
    if (!this.resting && this.#quality.name !== before) this.#connect();
  }

  /** Takes the transport that is the best now, if that is another one; the last picture stays until it has its own. */
  reconsider() {
    this.#choice.expire();
    if (this.#past.isShown) return;
    // What plays over plain HTTP does so because nothing else got through.
    if (this.#transport?.link && this.#choice.best(this.#pictures > 0) !== this.#name) this.#connect();
  }

  /** Whether the picture could be in the `<video>`. */
  get offersVideo() {
    return this.#transport?.constructor.surface === 'video' || (this.#name === 'webcodecs' && TRANSPORTS.mse.refusal() === '');
  }

  /** The picture has to be in the `<video>`, or need not be there any more. @returns {Promise<boolean>} whether it is there */
  async intoVideo(wanted) {
    this.#choice.wantsVideo = wanted;
    this.reconsider();
    const isThere = () => this.#transport?.constructor.surface === 'video' && this.#state === 'playing' && this.#stage.video.readyState > 1;
    for (const end = performance.now() + INTO_VIDEO_MS; wanted && this.#transport && !isThere() && performance.now() < end; ) await new Promise(resolve => setTimeout(resolve, 20));
    return isThere();
  }

  /** With sound or without. */
  listen(sound) {
    this.#sound = sound;
    if (!sound) this.#choice.withoutSound();
    if (this.#transport?.link && this.#choice.best(this.#pictures > 0) !== this.#name) return this.#connect();
    if (!this.#transport || this.#transport.listen(sound)) return;
    if (this.offersSound) this.#connect();
    else this.#transport.foreground();
  }

  /** 0 to 1. */
  set volume(volume) {
    this.#volume = volume;
    this.#stage.video.volume = volume;
    if (this.#transport) this.#transport.volume = volume;
  }

  /** What the viewer wants in hand besides what is needed, seconds; the picture stays on the screen when it changes. */
  set bufferTarget(seconds) {
    if (seconds === this.#bufferTarget) return;
    this.#bufferTarget = seconds;
    if (this.#transport) this.#transport.bufferTarget = seconds;
  }

  /** The page is hidden, or visible again. */
  visible(visible) {
    clearTimeout(this.#park);
    if (!visible) this.#park = setTimeout(() => this.#sound || document.pictureInPictureElement || this.#drop(), PARK_MS);
    else if (this.#transport) this.#transport.foreground();
    else if (!this.resting) this.again();
  }

  /** There is a network again, or somebody does not want to wait for the next attempt. */
  again() {
    if (this.#transport && this.#state !== 'reconnecting') return;
    this.#retry.reset();
    this.#choice.forget();
    this.#connect();
  }

  /** To be called a few times a second: is the picture moving, and if not, whose fault is it? Tells whether it has stood still for long enough to say so. */
  tick() {
    const now = performance.now();
    const chunk = this.#transport?.edge?.chunk ?? 0;
    const still = document.hidden ? 0 : now - Math.max(this.#shownAt, this.#begun);
    const busy = still > Math.max(BUSY_MS, 2500 * chunk) && !this.resting && !this.#past.paused;
    const link = this.#transport?.link;
    const quiet = link?.opened && isQuiet(now, link, chunk);
    if (this.#transport && ['playing', 'stalled', 'waiting', 'paused'].includes(this.#state)) {
      // Playback that waits for what is to be in hand is not paused.
      const waits = this.#transport.edge?.startedAt === null;
      const paused = this.#transport.constructor.surface === 'video' && this.#stage.video.paused && this.#pictures > 0 && !waits;
      const state = paused || this.#past.paused ? 'paused' : !busy ? 'playing' : quiet ? 'waiting' : 'stalled';
      this.#setState(state, state === 'waiting' ? this.#trouble : '');
    } else if (this.#state === 'connecting' && quiet) {
      this.#setState('waiting', this.#trouble);
    }
    this.#reporter.tick(now, this.stats, link);
    if (link && !this.#past.isShown && this.#state === 'playing' && this.#quality.tick(now, this.#transport.dropped)) this.#connect();
    this.reconsider();
    return busy;
  }

  /** Starts an attempt with the transport whose turn it is. */
  #connect() {
    this.#stage.hold();
    this.#drop();
    this.#past.resume();
    if (!this.#addresses) return;
    this.#name = this.#choice.best(this.#pictures > 0);
    if (!this.#name) return this.#unplayable();
    const Transport = TRANSPORTS[this.#name];
    const refusal = Transport.refusal();
    if (refusal) return this.#refused(refusal);
    const element = this.#stage[Transport.surface];
    this.#stage.use(element);
    if (element !== this.#stage.video) unload(this.#stage.video);
    if (this.#state !== 'reconnecting' && this.#state !== 'unplayable') {
      this.#begun = performance.now();
      this.#setState('connecting');
    }
    this.#transport = new Transport(element, { ...inQuality(this.#addresses, this.#quality.name), sound: this.#sound, volume: this.#volume, bufferTarget: this.#bufferTarget, clock: this.#clock, insist: this.#name === this.#choice.asked }, {
      shown: picture => this.#shown(picture),
      leaving: () => {
        this.#stage.hold();
        this.#held = true;
      },
      position: where => this.#located(where),
      refused: reason => {
        this.#past.refused();
        this.#events.refused(reason);
      },
      live: () => this.#past.again.forEach(message => this.#send(message)),
      info: info => this.#told(info),
      blocked: () => this.#blocked(),
      failed: (reason, how) => this.#failed(reason, how),
    });
  }

  #told(info) {
    this.#info = { ...this.#info, ...info };
    this.#quality.offer(this.qualities.map(({ name }) => name));
    for (const message of this.#past.take()) this.#send(message);
  }

  #drop() {
    this.#retry.cancel();
    this.#transport?.stop();
    this.#transport = null;
  }

  #failed(reason, { unplayable = false, soon = false, unreachable = false, denied = false, ...more } = {}) {
    this.#transport = null;
    if (denied) return this.#setState('denied', reason);
    if (unplayable) return this.#refused(reason, more);
    if (unreachable) this.#choice.missed();
    if (this.#pictures > 0) this.#reconnects++;
    this.#setState('reconnecting', reason);
    this.#retry.wait(soon ? 100 : undefined);
    if (unreachable) this.#mayAsk(this.#addresses);
  }

  /** A WebSocket does not say why it was refused; plain HTTP does. */
  async #mayAsk(addresses) {
    const { status } = await fetch(addresses.mp4, { method: 'HEAD', cache: 'no-store' }).catch(() => ({}));
    const reason = { 401: 'a login is needed', 403: 'you may not see this stream' }[status];
    if (!reason || addresses !== this.#addresses || this.#state !== 'reconnecting') return;
    this.#drop();
    this.#setState('denied', reason);
  }

  #refused(reason, how) {
    this.#choice.refuse(this.#name, reason, how);
    this.#connect();
  }

  /** Nothing plays this here. */
  #unplayable() {
    const { reason, cure } = this.#choice.refusal;
    const away = this.#choice.unreachable;
    this.#choice.forget();
    if (away) this.#setState('reconnecting', 'the server cannot be reached');
    else this.#setState('unplayable', cure ? `${reason}; ${cure}` : reason);
    this.#retry.wait(away ? undefined : UNPLAYABLE_MS);
  }

  /** The browser plays nothing before a gesture. With sound: perhaps without sound then. */
  #blocked() {
    if (this.#sound) this.#events.silence();
    else this.#setState('blocked');
  }

  #shown({ captured, at }) {
    if (this.#past.isAwaited) return;
    this.#shownAt = performance.now();
    this.#pictures++;
    if (this.#held) this.#stage.release();
    this.#held = false;
    if (this.#past.isShown) this.#past.seen(captured);
    else if (captured !== null && this.#clock.offset !== null) this.#latency.add(at + this.#clock.offset - captured, () => this.#transport?.link?.ask());
    const state = this.#past.paused ? 'paused' : 'playing';
    if (this.#state === 'playing' || this.#state === state) return;
    this.#retry.reset();
    this.#choice.reached();
    this.#latency.reset();
    this.#stage.release();
    this.#setState(state);
  }

  #setState(state, reason = '') {
    if (state === this.#state && reason === this.#reason) return;
    this.#state = state;
    this.#reason = reason;
    this.#reporter.note(performance.now(), state, reason);
    this.#events.change(state, reason);
  }
}
