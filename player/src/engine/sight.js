/** The WebKit without AirPlay. What it does otherwise than Safari is GStreamer's. */
export const isWebKitGtk = () => navigator.vendor.startsWith('Apple') && !('webkitShowPlaybackTargetPicker' in HTMLVideoElement.prototype);

/** A picture that stood still for longer than this, or for longer than two and a half frames where they come more slowly, is a stall. Nothing else is. */
const STALL_MS = 100;
/** A signal that says nothing for so long, or for four frames, while another one speaks, does not work. */
const GRACE_MS = 300;

/** A start has settled after this time: pictures come as they are made. */
const JUDGED_S = 1;

/** Connected, but no data for this long, or for three frames: it is the source that is quiet. */
const QUIET_MS = 2000;

/**
 * Whether it is the source that is quiet, and not the server that hangs: a quiet connection is pinged every second, and the server answers. One answer
 * says nothing: it may have come just behind the last picture. Pure.
 * @param {number} now
 * @param {{dataAt: number, heardAt: number}} link  when the last data came, and the last message of any kind
 * @param {number} chunk  seconds from picture to picture
 */
export function isQuiet(now, { dataAt, heardAt }, chunk) {
  const silence = Math.max(QUIET_MS, 3000 * chunk);
  return now - dataAt > silence && heardAt - dataAt > silence / 2;
}

/** Counts stalls. Pure. */
export class Stalls {
  count = 0;
  #at = null;

  /**
   * Another picture is on the screen.
   * @param {number} now @param {number} chunk seconds from picture to picture @param {number} [frames] so many since the last call
   * @returns {number} for how long the one before stood still, ms
   */
  shown(now, chunk, frames = 1) {
    const stood = this.#at === null ? 0 : (now - this.#at) / Math.max(1, frames);
    if (stood > Math.max(STALL_MS, 2500 * chunk)) this.count++;
    this.#at = now;
    return stood;
  }

  /** The picture is not meant to move: it is paused, or out of sight. */
  rest() {
    this.#at = null;
  }
}

/**
 * Counts pictures that came, and gave way to newer ones before they were on the screen. When a stream begins, the server sends the newest keyframe and all
 * that followed it, at once: a decoder needs them, and a viewer does not. They are not counted. How far the stream was when the first of them came is known
 * once pictures come at their own pace; so each is judged a little later. Pure.
 */
export class Unshown {
  count = 0;
  #began = null;
  /** Where the stream was when its first picture came, media seconds; it becomes more until that is known. */
  #edge = -Infinity;
  /** Media times of pictures that are not judged so far. */
  #missed = [];

  /** The stream begins, or begins anew at its newest keyframe. */
  begin() {
    this.#judge(Infinity);
    this.#began = null;
    this.#edge = -Infinity;
  }

  /** A picture of this media time (seconds) came. @param {number} now  monotonic ms */
  arrived(now, media) {
    this.#began ??= now;
    this.#edge = Math.max(this.#edge, media - (now - this.#began) / 1000);
    this.#judge(media - JUDGED_S);
  }

  /** The picture of this media time is never on the screen. */
  missed(media) {
    this.#missed.push(media);
  }

  #judge(until) {
    while (this.#missed[0] < until) if (this.#missed.shift() > this.#edge) this.count++;
  }
}

/**
 * Pictures that a `<video>` has shown, those that came too late, and what says so: the standard, Firefox, or an old Safari.
 * @returns {{by: string, shown: number | undefined, dropped: number}}
 */
export function pictureCounts(video) {
  if (video.getVideoPlaybackQuality) {
    const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
    return { by: COUNTER, shown: totalVideoFrames - droppedVideoFrames, dropped: droppedVideoFrames };
  }
  const by = ['mozPaintedFrames', 'webkitDecodedFrameCount'].find(name => name in video) ?? '';
  return { by, shown: video[by], dropped: 0 };
}

/** Signals by which a `<video>` tells that it shows another picture; the best first. */
const [CALLBACK, COUNTER, CLOCK] = ['requestVideoFrameCallback', 'getVideoPlaybackQuality', 'currentTime'];

/**
 * Which signal of a `<video>` is believed. The callback is there in WebKitGTK and never comes; the counter is missing elsewhere, or counts
 * nothing; the clock may go on without a picture, so it is believed only where neither of the others has ever said anything. Pure.
 */
export class Signals {
  /** What is known of this browser: the callback has come; or it has not, though pictures were counted. */
  static #callback = { works: false, silent: false };
  /** The one in use; '' before the first picture. */
  name = '';
  #presented = 0;
  #total = 0;
  #time = 0;
  /** Since when others have spoken and the callback has not. */
  #unheard = null;
  #hasCounted = false;

  /** The callback came. @param {number | undefined} presented  pictures so far @returns {number} pictures since the last call */
  callback(presented) {
    const frames = this.name === CALLBACK && presented > this.#presented ? presented - this.#presented : 1;
    Signals.#callback = { works: true, silent: false };
    this.name = CALLBACK;
    this.#presented = presented;
    this.#unheard = null;
    return frames;
  }

  /**
   * To be called often; before each frame of the page while the callback has not come.
   * @param {number} now @param {number} chunk  seconds from picture to picture
   * @param {number | undefined} total  pictures by the counter @param {number} time  currentTime
   * @returns {number} pictures since the last call; 0 while a better signal is believed
   */
  look(now, chunk, total, time) {
    const counted = total > this.#total ? total - this.#total : 0;
    // A counter may begin again; a clock may be set.
    const moved = time < this.#time || time >= this.#time + 0.9 * chunk;
    this.#total = total ?? 0;
    if (moved) this.#time = time;
    this.#hasCounted ||= counted > 0;
    if (!counted && !moved) return 0;
    this.#unheard ??= now;
    if (now - this.#unheard < Math.max(GRACE_MS, 4000 * chunk) && !(Signals.#callback.silent && counted)) return 0;
    if (counted) {
      Signals.#callback.silent = !Signals.#callback.works;
      this.name = COUNTER;
      return counted;
    }
    if (this.#hasCounted || this.name === CALLBACK || this.name === COUNTER) return 0;
    this.name = CLOCK;
    return 1;
  }

  /** Whether the counter is believed. Where there is a callback too, this is WebKitGTK, in which it does not come. */
  get counted() {
    return this.name === COUNTER;
  }

  /** Whether a look now and then is enough. */
  get calm() {
    return this.name === CALLBACK;
  }
}
