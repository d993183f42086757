import { COMPOSITOR_MS, Pace } from '../engine/clock.js';
import { surface } from '../engine/colour.js';
import { drawUpright, turnElement, unstretched, uprightSize } from '../engine/orientation.js';
import { Stalls, Unshown } from '../engine/sight.js';

/** While the decoder catches up with what was cached, a picture is shown this often. */
const CATCH_UP_MS = 100;
/** With sound, and with B-frames, pictures wait for their time: no more than so many, as some decoders have no more memory for them, and none for longer. */
const WAIT = { pictures: 16, ms: 600 };
/** Pictures go to the screen with one of its frames, and late rather than early: they are meant to be seen so long before they are heard. */
const LEAD_MS = 6;
/** After a new request, what was shown already comes again within this time. */
const REPEATS_MS = 2000;

/**
 * Decoded pictures, from the decoder to a canvas: each is painted at once, or when it is due by its sound or by its pace. It owns the pictures that it is
 * given, and counts those that were never on the screen.
 */
export class Painter {
  #canvas;
  #context;
  #events;
  #pose = null;
  /** Width and height in which the stream is coded. */
  #coded = [0, 0];
  /** Pictures that wait for their time, in order. */
  #waiting = [];
  /** Of a stream with B-frames; null for others, whose pictures are shown as they come. */
  #pace = null;
  #turn = 0;
  #report = 0;
  #unshown = new Unshown();
  #floor = { media: -Infinity, until: -Infinity };
  /** The picture that is on the canvas: its media time in seconds, and when it was painted, by performance.now(). */
  #painted = { media: -Infinity, at: -Infinity };
  stalls = new Stalls();
  /** What pictures keep in step with; null without sound. @type {import('./sound.js').Sound | null} */
  sound = null;
  /** Seconds from picture to picture. */
  chunk = 1 / 30;
  #stands = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{painted: (isFirst: boolean) => void, shown: (media: number) => void}} events  `painted`: a picture is on the canvas. `shown`: the one of this
   *   media time (seconds) goes to the screen with the frame of the page that begins now
   */
  constructor(canvas, events) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', surface());
    this.#events = events;
    // What an earlier attempt left there is no picture of this one.
    canvas.width = canvas.height = 0;
    turnElement(canvas, null);
  }

  /** A picture of this attempt has been painted. */
  get hasPainted() {
    return this.#painted.at > 0;
  }

  /** Pictures that were decoded, and gave way to newer ones before they were on the screen. What was sent as the past is not among them. */
  get unshown() {
    return this.#unshown.count;
  }

  /** Time stands still: the last picture that comes is shown, and none waits for its time. */
  set stands(stands) {
    this.#stands = stands;
    const last = stands ? this.#waiting.pop() : undefined;
    if (!last) return;
    this.clear();
    this.#paint(last, performance.now());
  }

  /** Another stream begins. @param {import('../engine/orientation.js').Pose} pose @param {number[]} coded  width and height */
  open(pose, coded) {
    this.#pose = pose;
    this.#coded = coded;
    this.#pace = null;
    this.#unshown.begin();
    this.clear();
  }

  /** The stream begins anew, at its newest keyframe: what was shown already is not shown twice. */
  repeat(now) {
    this.#floor = { media: this.#painted.media, until: now + REPEATS_MS };
    this.#unshown.begin();
    this.clear();
  }

  /** Other times hold for the pictures that come. */
  retime() {
    this.#pace &&= new Pace();
    this.stalls.rest();
  }

  /** The pictures do not come in the order of their times. */
  reordered() {
    this.#pace ??= new Pace();
  }

  /** A picture of this media time (seconds) came. */
  arrived(now, media) {
    this.#unshown.arrived(now, media);
  }

  /** A decoded picture; `queued` more are in the decoder. @param {VideoFrame} picture */
  add(picture, queued) {
    const now = performance.now();
    const media = mediaTime(picture);
    const stale = media === this.#painted.media || (media <= this.#floor.media && now < this.#floor.until);
    if (this.#stands) return stale ? picture.close() : this.#paint(picture, now);
    const hurry = queued > 1 && now - this.#painted.at < CATCH_UP_MS;
    if (stale) return picture.close();
    if (hurry) return this.#skip(picture);
    this.sound?.pictureAt(media, now + COMPOSITOR_MS);
    const paced = this.#pace?.due(now + COMPOSITOR_MS, media) ?? null;
    const due = this.#heardAt(media) ?? paced;
    const waits = due !== null && due > now + COMPOSITOR_MS && due < now + WAIT.ms;
    if (!waits && this.#waiting.length === 0) return this.#paint(picture, now);
    this.#waiting.push(picture);
    this.#turn ||= requestAnimationFrame(() => this.#onturn());
  }

  /** Lets go of the pictures that wait. */
  clear() {
    cancelAnimationFrame(this.#turn);
    this.#turn = 0;
    for (const picture of this.#waiting.splice(0)) picture.close();
  }

  stop() {
    this.clear();
    cancelAnimationFrame(this.#report);
  }

  /** Paints the newest picture that is due when this frame of the page is seen. */
  #onturn() {
    this.#turn = 0;
    const now = performance.now();
    let next = null;
    while (this.#waiting.length > 0 && (this.#waiting.length > WAIT.pictures || this.#isDue(this.#waiting[0], now))) {
      if (next) this.#skip(next);
      next = this.#waiting.shift();
    }
    if (next) {
      this.#paint(next, now);
      cancelAnimationFrame(this.#report);
      this.#onreport();
    }
    if (this.#waiting.length > 0) this.#turn = requestAnimationFrame(() => this.#onturn());
  }

  /** When the picture of this media time is to be seen for its sound; null where none is played. */
  #heardAt(media) {
    const heard = this.sound?.dueAt(media) ?? null;
    return heard === null ? null : heard - LEAD_MS;
  }

  #isDue(picture, now) {
    const media = mediaTime(picture);
    const due = this.#heardAt(media) ?? this.#pace?.dueAt(media) ?? null;
    return due === null || due < now + 1.5 * COMPOSITOR_MS || due > now + 2 * WAIT.ms;
  }

  #skip(picture) {
    this.#unshown.missed(mediaTime(picture));
    picture.close();
  }

  #paint(picture, now) {
    const { width, height } = this.#size(picture);
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    drawUpright(this.#context, picture, this.#pose, width, height);
    this.stalls.shown(now, this.chunk);
    const isFirst = !this.hasPainted;
    // The one before was painted over, and never seen.
    if (this.#report && !document.hidden) this.#unshown.missed(this.#painted.media);
    this.#painted = { media: mediaTime(picture), at: now };
    this.#report ||= requestAnimationFrame(() => this.#onreport());
    picture.close();
    this.#events.painted(isFirst);
  }

  /** Of the upright picture. Where the init segment says how wide pixels are, the codec has no say. */
  #size({ visibleRect, displayWidth, displayHeight }) {
    const known = this.#pose.aspect !== null && visibleRect;
    return known ? uprightSize(this.#pose, ...unstretched(this.#coded, visibleRect.width, visibleRect.height)) : uprightSize(this.#pose, displayWidth, displayHeight);
  }

  /** The newest picture goes to the screen with the frame that begins now. */
  #onreport() {
    this.#report = 0;
    this.#events.shown(this.#painted.media);
  }
}

/** Seconds. */
const mediaTime = picture => picture.timestamp / 1e6;
