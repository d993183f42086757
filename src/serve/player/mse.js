import { CaptureTimes, Median } from './clock.js';
import { LiveEdge } from './controller.js';
import { chunkTime, isInit, timescales } from './bmff.js';
import { Link } from './link.js';

/** What is offered to the server, as far as the browser can play it. The first ones of H.264 are go2rtc's, which servers look for. */
const VIDEO_CODECS = ['avc1.640029', 'avc1.64002A', 'avc1.640033', 'hvc1.1.6.L153.B0', 'av01.0.08M.08', 'vp09.00.40.08'];
const AUDIO_CODECS = ['mp4a.40.2', 'mp4a.40.5', 'flac', 'opus', 'mp3'];
/** More than this waiting for the SourceBuffer means that it hangs. */
const MAX_QUEUED = 64 << 20;

/** Whether an RFC 6381 list of codecs names one for sound. */
export function isSound(codecs) {
  return /mp4a|opus|flac|mp3/i.test(codecs);
}

function isVideo(codecs) {
  return /avc|hvc|hev|av01|vp0/i.test(codecs);
}

/** In words for people: the codec, and what they can do. */
export function notPlayed(codecs) {
  const names = { avc: 'H.264', hvc: 'H.265', hev: 'H.265', av01: 'AV1', vp09: 'VP9', vp08: 'VP8' };
  const name = Object.keys(names).find(name => codecs.includes(name));
  if (!name) return `this browser cannot play ${codecs}`;
  const cure = names[name] === 'H.264' ? '' : '; another browser may, or the stream can be encoded as H.264';
  return `this browser cannot play ${names[name]}${cure}`;
}

/** iPhone has only the managed kind, and it is the better one where there are both. */
const MediaSourceKind = globalThis.ManagedMediaSource ?? globalThis.MediaSource;

/**
 * Fragmented MP4 over WebSocket into a MediaSource. One instance is one attempt: it plays until it fails or is stopped.
 *
 * @typedef {object} TransportEvents
 * @property {(picture: {media: number, at: number}) => void} shown  a picture is on the screen at wall-clock time `at`
 * @property {(info: object) => void} info       what the server said of the stream
 * @property {() => void} blocked                the browser refuses to play before a gesture
 * @property {(reason: string, how?: Failure) => void} failed  the end of the attempt
 *
 * @typedef {object} Failure
 * @property {boolean} [unplayable]  another attempt of the same kind would fail likewise
 * @property {'jpeg' | 'movie'} [kind]  what the stream is, if not what this transport is for
 * @property {boolean} [soon]  there is something to play at once
 * @property {boolean} [unreachable]  no connection was made
 */
export class MseTransport {
  static label = 'MSE';
  static surface = 'video';
  static sound = true;

  /** Why this cannot be used here; '' if it can. */
  static refusal() {
    return MediaSourceKind ? '' : 'this browser has no MediaSource';
  }

  #video;
  #events;
  #sound;
  /** Whether sound was asked for; null before anything was. */
  #asked = null;
  #source = new MediaSourceKind();
  #buffer = null;
  #queue = [];
  #queued = 0;
  #scales = new Map();
  #captures = new CaptureTimes();
  #spacing = new Median(9);
  #lastTime = null;
  #detach = new AbortController();
  #frameCallback = 0;
  /** Pictures tell their own time. Not so sound alone, and not in browsers without requestVideoFrameCallback: then the clock advances. */
  #timed = true;
  #timer = 0;
  #address;

  /** @param {HTMLVideoElement} video @param {{ws: string, sound: boolean, clock: object}} options @param {TransportEvents} events */
  constructor(video, { ws, sound, clock }, events) {
    this.#video = video;
    this.#events = events;
    this.#sound = sound;
    this.edge = new LiveEdge();
    this.dropped = 0;
    this.appends = 0;
    this.codecs = '';
    this.#attach();
    this.link = new Link(ws, { open: () => this.#begin(), message: m => this.#message(m), data: d => this.#data(d), closed: (r, c) => this.#closed(r, c) }, clock);
  }

  stop() {
    this.#detach.abort();
    this.link.stop();
    clearInterval(this.#timer);
    this.#video.cancelVideoFrameCallback?.(this.#frameCallback);
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#queue = [];
  }

  /** The page is visible again. */
  foreground() {
    this.#follow(this.edge.foreground(performance.now(), this.#view()));
  }

  /** Capture time of a picture (Unix ms by the clock of whoever captured it), or null. */
  capturedAt(media) {
    return this.#captures.at(media);
  }

  get hasSound() {
    return isSound(this.codecs);
  }

  #attach() {
    const video = this.#video;
    const on = (target, name, run) => target.addEventListener(name, run, { signal: this.#detach.signal });
    on(this.#source, 'sourceopen', () => this.#begin());
    on(video, 'waiting', () => this.#follow(this.edge.waiting(performance.now())));
    on(video, 'error', () => this.#fail(`the browser cannot decode this: ${video.error?.message || 'media error'}`));
    if (globalThis.ManagedMediaSource) {
      video.disableRemotePlayback = true;
      video.srcObject = this.#source;
    } else {
      this.#address = URL.createObjectURL(this.#source);
      video.src = this.#address;
    }
    if (video.requestVideoFrameCallback) this.#onframe();
    on(video, 'timeupdate', () => this.#timed || this.#shown(video.currentTime, Date.now()));
    this.#timer = setInterval(() => this.#follow(this.edge.check(performance.now(), this.#view(), document.hidden)), 250);
  }

  #onframe() {
    this.#frameCallback = this.#video.requestVideoFrameCallback((now, frame) => {
      this.#shown(frame.mediaTime, Date.now() + frame.expectedDisplayTime - performance.now());
      this.#onframe();
    });
  }

  #shown(media, at) {
    this.edge.shown(performance.now(), media);
    this.#events.shown({ media, at });
  }

  /** Asks once, when both ends are ready. The source is open before its event says so: either may be the last to tell. */
  #begin() {
    if (this.#asked === null && this.#source.readyState === 'open' && this.link?.opened) this.#request(this.#sound);
  }

  /** Says what the browser can play. Video codecs alone ask for video alone. */
  #request(sound) {
    const codecs = sound ? [...VIDEO_CODECS, ...AUDIO_CODECS] : VIDEO_CODECS;
    const playable = codecs.filter(codec => MediaSourceKind.isTypeSupported(`video/mp4; codecs="${codec}"`));
    this.#asked = sound;
    this.link.send({ type: 'mse', value: playable.join() });
  }

  #message({ type, value }) {
    if (type === 'mse') this.#open(String(value));
    else if (type === 'error') this.#refused(String(value));
    else if (type === 'dropped') this.dropped += Number(value?.frames ?? value) || 0;
    else if (type === 'stream') this.#events.info(value);
  }

  /** Sound and picture may come in one piece, as some foreign streams have it: then they are to be had together only. */
  #refused(reason) {
    const codecs = /codecs not matched: (.*)/.exec(reason)?.[1];
    if (codecs === undefined) this.#fail(reason, { unplayable: true });
    else if (codecs === 'jpeg') this.#fail('the stream is MJPEG', { unplayable: true, kind: 'jpeg' });
    else if (this.#asked) this.#fail(notPlayed(codecs), { unplayable: true, kind: 'movie' });
    else this.#request(true);
  }

  #open(mime) {
    if (!MediaSourceKind.isTypeSupported(mime)) return this.#fail(notPlayed(mime), { unplayable: true, kind: 'movie' });
    this.codecs = /codecs="([^"]*)"/.exec(mime)?.[1] ?? '';
    this.edge.audio = this.hasSound;
    this.#timed = 'requestVideoFrameCallback' in this.#video && isVideo(this.codecs);
    this.#buffer = this.#source.addSourceBuffer(mime);
    this.#buffer.addEventListener('updateend', () => this.#appended(), { signal: this.#detach.signal });
    if (this.#asked && !this.hasSound) this.#events.info({ silent: true });
  }

  #data(data) {
    if (isInit(data)) this.#scales = timescales(data);
    else this.#learn(chunkTime(data, this.#scales));
    this.#queue.push(data);
    this.#queued += data.byteLength;
    if (this.#queued > MAX_QUEUED) this.#fail('the browser takes no more data');
    else this.#append();
  }

  /** Capture time and spacing of the chunks; those of the video track, as only it has capture times. */
  #learn(chunk) {
    if (!chunk) return;
    if (chunk.captured !== null) this.#captures.add(chunk.time, chunk.captured);
    else if (this.#scales.size > 1) return;
    const step = chunk.time - this.#lastTime;
    if (this.#lastTime !== null && step > 0 && step < 60) this.#spacing.add(step);
    this.#lastTime = chunk.time;
    this.edge.chunk = this.#spacing.value ?? this.edge.chunk;
  }

  #append() {
    if (!this.#buffer || this.#buffer.updating || this.#queue.length === 0) return;
    this.#follow(this.edge.append(performance.now(), this.#view()));
    try {
      this.#buffer.appendBuffer(this.#queue.length === 1 ? this.#queue[0] : joined(this.#queue, this.#queued));
      this.appends++;
      this.#queue = [];
      this.#queued = 0;
    } catch (error) {
      if (error.name === 'QuotaExceededError') this.#buffer.remove(0, Math.max(0.1, this.#video.currentTime - 1));
      else this.#fail(`the browser refused the stream: ${error.message}`);
    }
  }

  #appended() {
    this.#follow(this.edge.appended(performance.now(), this.#view()));
    this.#append();
  }

  #view() {
    const { currentTime, playbackRate, paused, seeking, buffered } = this.#video;
    const ranges = Array.from({ length: buffered.length }, (_, i) => [buffered.start(i), buffered.end(i)]);
    return { time: currentTime, rate: playbackRate, paused, seeking, ranges };
  }

  /** Does what the controller advises. */
  #follow(advice) {
    if (!advice) return;
    const video = this.#video;
    if (advice.rebuild) return this.#fail('the picture stands still');
    if (advice.seek !== undefined) video.currentTime = advice.seek;
    if (advice.rate !== undefined) video.playbackRate = advice.rate;
    if (advice.trim !== undefined && !this.#buffer.updating) this.#buffer.remove(0, advice.trim);
    if (advice.play && video.paused) video.play().catch(error => error.name === 'NotAllowedError' && this.#events.blocked());
  }

  #closed(reason, code) {
    // 1012: the writer came back with other tracks. There is something to play at once.
    this.#fail(reason, { soon: code === 1012, unreachable: !this.link.opened });
  }

  #fail(reason, options = {}) {
    if (this.#detach.signal.aborted) return;
    this.stop();
    this.#events.failed(reason, options);
  }
}

function joined(parts, size) {
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(new Uint8Array(part), at);
    at += part.byteLength;
  }
  return all;
}
