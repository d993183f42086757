import { COMPOSITOR_MS, CaptureTimes, Median, wallNow } from '../engine/clock.js';
import { LiveEdge } from '../engine/controller.js';
import { Signals, isWebKitGtk, pictureCounts } from '../engine/sight.js';
import { chunkTime, frames, isInit, tracks } from '../engine/bmff.js';
import { AUDIO_CODECS, VIDEO_CODECS, cure, isSound, isVideo, notPlayed } from '../engine/codecs.js';
import { needsHelp, poseOf, remaining, turnElement, withoutMatrix } from '../engine/orientation.js';
import { Link, isDenied, isSoon } from './link.js';
import { Transport } from './transport.js';

/** More than this waiting for the SourceBuffer means that it hangs. */
const MAX_QUEUED = 64 << 20;
/** WebKitGTK ends with "Failed to push buffer" if it is to seek before its decoder has been made for the first media, which takes up to a fifth of a second. */
const SETTLES_MS = 300;

/** iPhone has only the managed kind, and it is the better one where there are both. */
const MediaSourceKind = globalThis.ManagedMediaSource ?? globalThis.MediaSource;

/**
 * Fragmented MP4 over WebSocket into a MediaSource. One instance is one attempt: it plays until it fails or is stopped.
 */
export class MseTransport extends Transport {
  static label = 'MSE';
  static sound = true;
  static buffers = true;

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
  /** A picture to show came; pictures that are not to be shown wait for one. */
  #began = false;
  #hidden = false;
  /** Nothing before this time is shown. */
  #floor = -Infinity;
  #tracks = new Map();
  /** How the picture is shown, the size in which it is coded, and whether the browser was kept from turning it. */
  #pose = null;
  #captures = new CaptureTimes();
  #spacing = new Median(9);
  #lastTime = null;
  #detach = new AbortController();
  #frameCallback = 0;
  #signals = new Signals();
  /** Before each frame of the page, while the video tells nothing by itself. */
  #look = 0;
  /** Sound alone tells only that its clock advances. */
  #hasPictures = true;
  #timer = 0;
  #address;
  /** It stands still, at this time of the presentation; null where that is not known. */
  #standing = false;
  #standsAt = null;
  /** Of the last picture that was on the screen; null where none was, of this time line. */
  #shownMedia = null;
  /** What the next MediaSource is for, before it is open. */
  #renewed = null;

  /** @param {HTMLVideoElement} video @param {{ws: string, sound: boolean, bufferTarget?: number, clock: object}} options @param {import('./transport.js').TransportEvents} events */
  constructor(video, { ws, sound, bufferTarget = 0, clock }, events) {
    super();
    this.#video = video;
    this.#events = events;
    this.#sound = sound;
    this.edge = new LiveEdge();
    this.edge.target = bufferTarget;
    this.edge.settles = isWebKitGtk() ? SETTLES_MS : 0;
    this.appends = 0;
    this.#attach();
    this.link = new Link(ws, { open: () => this.#begin(), message: m => this.#message(m), data: d => this.#data(d), closed: (r, c) => this.#closed(r, c) }, clock);
  }

  stop() {
    this.#detach.abort();
    this.link.stop();
    clearInterval(this.#timer);
    this.#video.cancelVideoFrameCallback?.(this.#frameCallback);
    cancelAnimationFrame(this.#look);
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#queue = [];
  }

  foreground() {
    this.#follow(this.edge.foreground(performance.now(), this.#view()));
  }

  /** What tells that there is another picture. */
  get signal() {
    return this.#signals.counted ? pictureCounts(this.#video).by : this.#signals.name;
  }

  /** Without sound only video is taken: a sound track makes Chromium show the picture later, even when it is muted. */
  listen(sound) {
    return sound === this.hasSound && super.listen(sound);
  }

  set bufferTarget(seconds) {
    this.#follow(this.edge.retarget(performance.now(), this.#view(), seconds));
  }

  get hasSound() {
    return isSound(this.codecs);
  }

  get unshown() {
    return pictureCounts(this.#video).dropped;
  }

  stand() {
    this.#standing = true;
    this.#standsAt = null;
    this.#video.pause();
    return this.#shownMedia;
  }

  goOn() {
    this.#standing = false;
    if (this.edge.startedAt !== null) this.#follow({ play: true });
  }

  #attach() {
    const video = this.#video;
    const on = (target, name, run) => target.addEventListener(name, run, { signal: this.#detach.signal });
    on(video, 'resize', () => this.#turn());
    on(video, 'waiting', () => this.#follow(this.edge.waiting(performance.now())));
    on(video, 'error', () => this.#fail(`the browser cannot decode this: ${video.error?.message || 'media error'}`));
    this.#show();
    if (video.requestVideoFrameCallback) this.#onframe();
    on(video, 'timeupdate', () => this.#hasPictures || this.#shown(video.currentTime, wallNow()));
    this.#timer = setInterval(() => this.#check(), 250);
    this.#lookOn();
  }

  /** Gives the video what is to be shown. */
  #show() {
    const video = this.#video;
    this.#source.addEventListener('sourceopen', () => this.#begin(), { signal: this.#detach.signal });
    if (globalThis.ManagedMediaSource) {
      video.disableRemotePlayback = true;
      video.srcObject = this.#source;
    } else {
      if (this.#address) URL.revokeObjectURL(this.#address);
      this.#address = URL.createObjectURL(this.#source);
      video.src = this.#address;
    }
  }

  /** Another time line follows, perhaps with other tracks. The picture that was there stays until there is one of it. */
  #renew(mime) {
    this.#events.leaving();
    const { target, settles } = this.edge;
    this.edge = Object.assign(new LiveEdge(), { target, settles });
    [this.#queue, this.#queued, this.#buffer, this.#lastTime, this.#floor] = [[], 0, null, null, -Infinity];
    this.#began = this.#hidden = false;
    this.#standsAt = this.#shownMedia = null;
    this.#captures = new CaptureTimes();
    this.#spacing = new Median(9);
    this.#signals = new Signals();
    this.#source = new MediaSourceKind();
    this.#renewed = mime;
    this.#show();
    if (this.#look === 0) this.#lookOn();
  }

  #check() {
    if (this.#standing) return;
    if (this.#signals.calm) this.#lookAtVideo();
    if (this.#signals.calm !== (this.#look === 0)) this.#lookOn();
    this.#follow(this.edge.check(performance.now(), this.#view(), document.hidden));
  }

  #lookOn() {
    this.#look = requestAnimationFrame(() => {
      this.#look = 0;
      this.#lookAtVideo();
      if (!this.#signals.calm) this.#lookOn();
    });
  }

  /** What the video says of itself, where no callback comes. */
  #lookAtVideo() {
    const { currentTime } = this.#video;
    if (!this.#hasPictures || document.hidden || this.#video.paused) return;
    const pictures = this.#signals.look(performance.now(), this.edge.chunk, pictureCounts(this.#video).shown, currentTime);
    this.edge.costly = Boolean(this.#video.requestVideoFrameCallback) && this.#signals.counted;
    if (pictures > 0) this.#shown(currentTime, wallNow() + COMPOSITOR_MS, pictures);
  }

  #onframe() {
    this.#frameCallback = this.#video.requestVideoFrameCallback((now, frame) => {
      const pictures = this.#signals.callback(frame.presentedFrames);
      // Firefox calls up to a refresh after the time that it names. The later of both does not flatter.
      this.#shown(frame.mediaTime, wallNow() + Math.max(0, frame.expectedDisplayTime - performance.now()), pictures);
      this.#onframe();
    });
  }

  #shown(media, at, pictures = 1) {
    if (!this.#began && this.#hasPictures) return;
    this.#shownMedia = media;
    this.edge.shown(performance.now(), media, pictures);
    this.#events.shown({ captured: this.#captures.at(media), at });
  }

  /** Asks once, when both ends are ready. The source is open before its event says so: either may be the last to tell. */
  #begin() {
    if (this.#renewed !== null && this.#source.readyState === 'open') this.#open(this.#renewed);
    else if (this.#asked === null && this.#source.readyState === 'open' && this.link?.opened) this.#request(this.#sound);
  }

  /** Says what the browser can play. Video codecs alone ask for video alone. */
  #request(sound) {
    const codecs = sound ? [...VIDEO_CODECS, ...AUDIO_CODECS] : VIDEO_CODECS;
    const playable = codecs.filter(codec => MediaSourceKind.isTypeSupported(`video/mp4; codecs="${codec}"`));
    this.#asked = sound;
    this.link.send({ type: 'mse', value: playable.join() });
  }

  #message(message) {
    const { type, value } = message;
    if (this.ofPast(message, this.#events)) this.#standAt(value);
    else if (type === 'mse' && (this.#buffer || this.#renewed !== null)) this.#renew(String(value));
    else if (type === 'mse') this.#open(String(value));
    else if (type === 'error') this.#refused(String(value));
    else if (type === 'dropped') this.dropped += Number(value?.frames ?? value) || 0;
    else if (type === 'stream') this.#about(value);
  }

  /** Where the server says that it stands. */
  #standAt({ paused, media }) {
    if (paused && !this.#standing) this.stand();
    this.#standsAt = paused ? media : null;
    if (this.#standing && paused === false) this.goOn();
    this.#stay();
  }

  /** As soon as there is the picture at which it stands. */
  #stay() {
    const time = this.#standsAt + 0.001;
    const isThere = this.#view().ranges.some(([begin, end]) => begin <= time && time < end);
    if (!this.#standing || this.#standsAt === null || !isThere) return;
    // Chromium waits for more before it shows the first, unless there is no more; and it may have shown one that was not to be seen.
    const isFirst = this.edge.startedAt === null && this.#queue.length === 0 && !this.#buffer.updating && this.#source.readyState === 'open';
    if (isFirst) this.#source.endOfStream();
    if (isFirst || Math.abs(this.#video.currentTime - time) > 0.0015) this.#video.currentTime = isFirst ? time + 0.001 : time;
  }

  /** Says what the stream has. Its sound without its pictures, and without a word, is not what anybody came for. */
  #about(stream) {
    const codecs = stream?.codecs?.join() ?? '';
    if (isVideo(codecs) && !this.#hasPictures) this.#fail(notPlayed(codecs), { unplayable: true, kind: 'mp4', cure: cure(codecs) });
    else this.#events.info(stream);
  }

  /** Sound and picture may come in one piece, as some foreign streams have it: then they are to be had together only. */
  #refused(reason) {
    const codecs = /codecs not matched: (.*)/.exec(reason)?.[1];
    if (codecs === undefined) this.#fail(reason, { unplayable: true });
    else if (codecs === 'jpeg') this.#fail('the stream is MJPEG', { unplayable: true, kind: 'jpeg' });
    else if (this.#asked) this.#fail(notPlayed(codecs), { unplayable: true, kind: 'mp4', cure: cure(codecs) });
    else this.#request(true);
  }

  #open(mime) {
    if (!MediaSourceKind.isTypeSupported(mime)) return this.#fail(notPlayed(mime), { unplayable: true, kind: 'mp4', cure: cure(mime) });
    this.codecs = /codecs="([^"]*)"/.exec(mime)?.[1] ?? '';
    this.edge.audio = this.hasSound;
    this.#hasPictures = isVideo(this.codecs);
    this.#renewed = null;
    this.#buffer = this.#source.addSourceBuffer(mime);
    this.#buffer.addEventListener('updateend', () => this.#appended(), { signal: this.#detach.signal });
    if (this.#asked && !this.hasSound && !this.past) this.#events.info({ silent: true });
    this.#append();
  }

  #data(data) {
    if (isInit(data)) data = this.#initSegment(data);
    else if (!this.#isHidden(data)) this.#learn(chunkTime(data, this.#tracks));
    this.#queue.push(data);
    this.#queued += data.byteLength;
    if (this.#queued > MAX_QUEUED) this.#fail('the browser takes no more data');
    else this.#append();
  }

  /**
   * Whether a chunk is before the first picture to show, decoded and not shown. It waits for that picture, and playing begins there: what an
   * edit cut away is never seen. Between other pictures it lasts too short a time for that.
   */
  #isHidden(data) {
    if (this.#began) return false;
    const pictures = frames(data, this.#tracks).filter(frame => this.#tracks.get(frame.track)?.kind === 'vide');
    const shown = pictures.find(frame => !frame.hidden);
    this.#began = Boolean(shown);
    if (shown && this.#hidden) {
      this.#floor = shown.time - this.#tracks.get(shown.track).start;
      // While nothing is buffered of a stream without an end, nothing can be sought: without this range the browser ignores the next line.
      if (this.#source.readyState === 'open') this.#source.setLiveSeekableRange?.(0, this.#floor + 1);
      if (this.edge.settles === 0) this.#video.currentTime = this.#floor + 0.001;
    }
    this.#hidden = !shown && pictures.length > 0;
    return this.#hidden;
  }

  /** The tracks of an init segment, and what the browser gets of it: it may not know how to turn what they show. */
  #initSegment(init) {
    this.#tracks = tracks(init);
    const track = [...this.#tracks.values()].find(({ kind }) => kind === 'vide');
    this.#pose = track ? { pose: poseOf(track), coded: track.coded } : null;
    const stripped = track !== undefined && needsHelp(this.#pose.pose);
    if (stripped) this.#pose.stripped = true;
    this.#turn();
    return stripped ? withoutMatrix(init, track.matrices) : init;
  }

  /** Does what the browser leaves to do, as soon as it shows what it does. */
  #turn() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!width || !height || !this.#pose) return turnElement(this.#video, null);
    turnElement(this.#video, remaining(this.#pose.pose, this.#pose.coded, width / height, this.#pose.stripped === true));
  }

  /** Capture time and spacing of the chunks; those of the video track, as only it has capture times. */
  #learn(chunk) {
    if (!chunk) return;
    if (chunk.captured) this.#captures.add(chunk.captured.media, chunk.captured.wall);
    else if (this.#tracks.size > 1) return;
    const step = chunk.time - this.#lastTime;
    if (this.#lastTime !== null && step > 0 && step < 60) this.#spacing.add(step);
    this.#lastTime = chunk.time;
    this.edge.chunk = this.#spacing.value ?? this.edge.chunk;
  }

  #append() {
    if (!this.#buffer || this.#buffer.updating || this.#queue.length === 0 || this.#hidden) return;
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
    this.#stay();
  }

  #view() {
    const { currentTime, playbackRate, paused, seeking, buffered } = this.#video;
    const ranges = Array.from({ length: buffered.length }, (_, i) => [Math.min(Math.max(buffered.start(i), this.#floor), buffered.end(i)), buffered.end(i)]);
    return { time: currentTime, rate: playbackRate, paused, seeking, ranges };
  }

  /** Does what the controller advises. */
  #follow(advice) {
    if (!advice || this.#standing) return;
    const video = this.#video;
    if (advice.rebuild) return this.#fail('the picture stands still');
    if (advice.seek !== undefined) video.currentTime = advice.seek;
    if (advice.rate !== undefined) video.playbackRate = advice.rate;
    if (advice.trim !== undefined && !this.#buffer.updating) this.#buffer.remove(0, advice.trim);
    if (advice.pause) video.pause();
    if (advice.play && video.paused) video.play().catch(error => error.name === 'NotAllowedError' && this.#events.blocked());
  }

  #closed(reason, code) {
    this.#fail(reason, { soon: isSoon(code), unreachable: !this.link.opened, denied: isDenied(code) });
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
