import { CaptureTimes, DISPLAY_MS, Median, wallNow } from '../engine/clock.js';
import { isForVideo } from '../engine/colour.js';
import { JitterBuffer } from '../engine/jitter.js';
import { chunkTime, frames, isInit, tracks } from '../engine/bmff.js';
import { poseOf } from '../engine/orientation.js';
import { Link, isDenied, isSoon } from './link.js';
import { AUDIO_CODECS, VIDEO_CODECS, cure, isSound, isVideo, notPlayed } from '../engine/codecs.js';
import { parameterSets, toAnnexB } from '../engine/annexb.js';
import { distrust, distrusted } from '../engine/memory.js';
import { MseTransport } from './mse.js';
import { Painter } from './painter.js';
import { Sound } from './sound.js';
import { Transport } from './transport.js';

/** More pictures than this waiting for the decoder, for so long, and the rest of their group is left out. */
const LATE = { pictures: 8, ms: 1500 };
/** A decoder that does not keep up so often within this time is not the one for this stream. */
const TOO_OFTEN = { times: 3, ms: 60000 };
/** Never more than this waits for the decoder: a cached group of pictures is less. */
const MAX_WAITING = 1500;
/**
 * A decoder that is fed and gives nothing for so long has failed, though it does not say so: one that was just made, and one that has worked. The next one is
 * not waited for again.
 */
const SILENT_MS = { first: 3000, later: 1000 };
/** So many decoder errors without a picture between them, and it is given up. */
const MAX_BREAKS = 3;
/** What the browser can decode, asked once. */
let playable = null;

async function decodable() {
  const can = (Decoder, config) => (Decoder ? Decoder.isConfigSupported(config).then(answer => answer.supported, () => false) : false);
  const video = VIDEO_CODECS.map(async codec => ((await can(globalThis.VideoDecoder, { codec, optimizeForLatency: true })) ? [codec] : []));
  const audio = AUDIO_CODECS.map(async codec => ((await can(globalThis.AudioDecoder, { codec, sampleRate: 48000, numberOfChannels: 2 })) ? [codec] : []));
  return { video: (await Promise.all(video)).flat(), audio: (await Promise.all(audio)).flat() };
}

/**
 * Fragmented MP4 over WebSocket, decoded by WebCodecs and painted on a canvas as soon as it is there: the lowest latency that there is, at
 * the price of a picture that moves as unevenly as it comes. One instance is one attempt, as with the other transports.
 */
export class CodecsTransport extends Transport {
  static label = 'WebCodecs';
  static surface = 'canvas';
  static sound = true;
  static buffers = true;

  static refusal() {
    if (globalThis.VideoDecoder) return '';
    return isSecureContext ? 'this browser has no WebCodecs' : 'WebCodecs need a page that came by https, or from this computer';
  }

  #painter;
  #events;
  #muted;
  /** The codecs of the stream, as the server says. */
  #offered = '';
  /** Sound and picture come in one piece only. */
  #together = false;
  #sound = null;
  #volume;
  #tracks = new Map();
  #video = null;
  #sets = null;
  #decoder = null;
  /** Times of pictures that are in the decoder and not to be shown. */
  #hidden = new Set();
  #jitter;
  #feeding = 0;
  /** Deltas are of no use until a keyframe comes. */
  #needsKey = true;
  /** The page is hidden: nothing is decoded. */
  #asleep = false;
  /** This transport was asked for: it is not left because another one may do better. */
  #insist;
  /** When the decoder did not keep up. */
  #lateAt = [];
  #easyAt = performance.now();
  /** Since when the decoder has been fed, and has given nothing; when that was looked at. */
  #fedAt = null;
  #watchedAt = 0;
  #silences = 0;
  #fedTime = -Infinity;
  #errors = 0;
  #captures = new CaptureTimes();
  #spacing = new Median(9);
  #lastTime = null;
  #stopped = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{ws: string, sound: boolean, volume?: number, bufferTarget?: number, clock: object, insist?: boolean}} options
   * @param {import('./transport.js').TransportEvents} events
   */
  constructor(canvas, { ws, sound, volume = 1, bufferTarget = 0, clock, insist = false }, events) {
    super();
    this.#insist = insist;
    this.#jitter = new JitterBuffer(bufferTarget);
    this.#painter = new Painter(canvas, { painted: isFirst => this.#painted(isFirst), shown: media => this.#shown(media) });
    this.#events = events;
    this.#muted = !sound;
    this.#volume = volume;
    this.edge = { chunk: 1 / 30, stats: { stalls: 0, resyncs: 0 } };
    if (sound) this.#startSound();
    this.link = new Link(ws, { open: () => this.#opened(), message: m => this.#message(m), data: d => this.#data(d), closed: (r, c) => this.#closed(r, c) }, clock, true);
  }

  stop() {
    this.#stopped = true;
    this.link.stop();
    this.#sound?.close();
    this.#painter.stop();
    cancelAnimationFrame(this.#feeding);
    if (this.#decoder?.state !== 'closed') this.#decoder?.close();
  }

  /** The page is visible again, or somebody wants it to play. */
  foreground() {
    this.#sound?.resume();
    if (this.#asleep) this.#again();
  }

  /** With sound or without, on the same connection. To be called from the gesture: a browser may want that for sound. */
  listen(sound) {
    if (sound === !this.#muted) return true;
    this.#muted = !sound;
    this.#endSound();
    if (sound) this.#startSound();
    this.#again();
    return true;
  }

  set volume(volume) {
    this.#volume = volume;
    if (this.#sound) this.#sound.volume = volume;
  }

  /** Sound and pictures begin anew, from the newest keyframe; the picture on the screen stays until then. */
  set bufferTarget(seconds) {
    this.#jitter.target = seconds;
    this.#painter.retime();
    this.#endSound();
    if (!this.#muted) this.#startSound();
    this.#again();
  }

  get hasSound() {
    return isSound(this.codecs);
  }

  /** Pictures that were decoded and gave way to newer ones before they were on the screen. */
  get unshown() {
    return this.#painter.unshown;
  }

  /** What tells that there is another picture. */
  get signal() {
    return this.#painter.hasPainted ? 'VideoDecoder' : '';
  }

  /** Seconds in hand: sound, and what waits for its time because the viewer wants that. */
  get buffer() {
    return this.#jitter.seconds + (this.#sound?.buffer ?? 0);
  }

  stand() {
    this.#painter.stands = true;
    return super.stand();
  }

  goOn() {
    this.#painter.stands = false;
  }

  #startSound() {
    this.#sound = this.#painter.sound = new Sound(this.#volume, { blocked: () => this.#events.blocked(), failed: reason => this.#mute(reason) });
  }

  #endSound() {
    this.#sound?.close();
    this.#sound = this.#painter.sound = null;
  }

  /** Sound that cannot be played here is played by another transport. */
  #mute(reason) {
    this.#fail(`sound cannot be played: ${reason}`, { unplayable: true, kind: 'mp4', forSound: true });
  }

  #opened() {
    if (!this.link.isAsked || !this.#muted) this.#request();
  }

  /** Says what the browser can decode; the server begins with the newest keyframe. */
  async #request() {
    playable ??= decodable();
    const { video, audio } = await playable;
    if (this.#stopped || !this.link.opened) return;
    this.link.isAsked = false;
    const wanted = this.#muted && !this.#together ? video : [...video, ...audio];
    this.link.send({ type: 'mse', value: wanted.join() });
    if (this.past) this.#events.live();
  }

  /** From the newest keyframe again: what was shown already is not shown twice. */
  #again() {
    if (this.#asleep) this.#painter.stalls.rest();
    this.#asleep = false;
    this.#painter.repeat(performance.now());
    this.#jitter.clear();
    // What comes now has been there before.
    this.#fedTime = -Infinity;
    this.#request();
  }

  #message(message) {
    const { type, value } = message;
    if (this.ofPast(message, this.#events)) return;
    if (type === 'mse') this.#begin(String(value));
    else if (type === 'error') this.#refused(String(value));
    else if (type === 'dropped') this.dropped += Number(value?.frames ?? value) || 0;
    else if (type === 'stream') {
      this.#offered = value?.codecs?.join() ?? '';
      this.#events.info(value);
    }
  }

  #refused(reason) {
    const codecs = /codecs not matched: (.*)/.exec(reason)?.[1];
    if (codecs === undefined) this.#fail(reason, { unplayable: true });
    else if (codecs === 'jpeg') this.#fail('the stream is MJPEG', { unplayable: true, kind: 'jpeg' });
    // What was asked for early was not all that can be decoded.
    else if (this.link.isAsked) this.#request();
    else if (!this.#muted || this.#together) this.#fail(notPlayed(codecs), { unplayable: true, kind: 'mp4', cure: cure(codecs) });
    else {
      this.#together = true;
      this.#request();
    }
  }

  #begin(mime) {
    this.codecs = /codecs="([^"]*)"/.exec(mime)?.[1] ?? '';
    if (!isVideo(this.codecs)) return this.#fail('there are no pictures in the stream', { unplayable: true, kind: 'mp4' });
    const known = this.#insist ? null : distrusted(this.#codec(isVideo));
    if (known) return this.#fail(known.reason, { unplayable: true, kind: 'mp4', until: known.until });
    if (this.#muted) return;
    if (this.past || !this.#sound) {
      // Of another time line; and there may be none.
      this.#endSound();
      if (this.hasSound) this.#startSound();
      if (this.past) return;
    }
    if (this.hasSound) return;
    if (isSound(this.#offered)) this.#mute('no decoder');
    else this.#events.info({ silent: true });
  }

  #data(data) {
    if (isInit(data)) return this.#open(tracks(data));
    const found = frames(data, this.#tracks);
    if (found.some(frame => !frame.hidden)) this.#learn(chunkTime(data, this.#tracks));
    // The first picture is shown at once, whatever is wanted in hand.
    const isFirst = this.#needsKey && !this.#painter.hasPainted && this.#jitter.target > 0;
    const first = isFirst ? found.find(frame => frame.track === this.#video && frame.key) : undefined;
    if (first) this.#picture(first);
    this.#pass(first ? found.filter(frame => frame !== first) : found);
  }

  /** Gives the decoders what is to be seen and heard now. */
  #pass(found) {
    for (const frame of this.#jitter.pass(performance.now(), found)) {
      if (this.#stopped) return;
      if (frame.track === this.#video) this.#picture(frame);
      else if (!this.#muted) this.#sound?.feed(frame);
    }
    if (!this.#jitter.isEmpty && !document.hidden) this.#feeding ||= requestAnimationFrame(() => this.#onfeed());
  }

  #onfeed() {
    this.#feeding = 0;
    if (!this.#stopped) this.#pass([]);
  }

  #open(found) {
    const id = kind => [...found].find(([, track]) => track.kind === kind)?.[0] ?? null;
    this.#tracks = found;
    this.#video = id('vide');
    if (this.#video === null) return this.#fail('there are no pictures in the stream', { unplayable: true, kind: 'mp4' });
    this.#sets = parameterSets(this.#codec(isVideo), found.get(this.#video).config);
    this.#close();
    this.#painter.open(poseOf(found.get(this.#video)), found.get(this.#video).coded);
    this.#jitter.clear();
    this.#fedTime = -Infinity;
    this.#probe(this.#codec(isVideo), found.get(this.#video).coded);
    if (id('soun') !== null) this.#sound?.open(this.#codec(isSound), found.get(id('soun')));
  }

  /** Before, only the kinds of codec were asked about: this profile, level or size may be too much. */
  async #probe(codec, [codedWidth, codedHeight]) {
    const { supported } = await VideoDecoder.isConfigSupported({ codec, codedWidth, codedHeight, optimizeForLatency: true }).catch(() => ({ supported: false }));
    if (!supported) this.#fail(notPlayed(codec), { unplayable: true, kind: 'mp4', cure: cure(codec) });
  }

  /** The one of the stream's codecs that is for pictures, or for sound. */
  #codec(is) {
    return this.codecs.split(',').find(codec => is(codec)) ?? '';
  }

  /** Capture time and spacing of the pictures. */
  #learn(chunk) {
    if (chunk?.track !== this.#video) return;
    this.#painter.arrived(performance.now(), chunk.time);
    if (chunk.captured) this.#captures.add(chunk.captured.media, chunk.captured.wall);
    const step = chunk.time - this.#lastTime;
    if (this.#lastTime !== null && step > 0 && step < 60) this.#spacing.add(step);
    this.#lastTime = chunk.time;
    this.edge.chunk = this.#painter.chunk = this.#spacing.value ?? this.edge.chunk;
  }

  #picture(frame) {
    this.#asleep ||= document.hidden;
    if (this.#asleep) return this.#painter.clear();
    this.#watch(performance.now());
    if (this.#stopped) return;
    if (this.#needsKey && !frame.key) return void this.dropped++;
    if (this.#needsKey && this.#decoder?.decodeQueueSize > LATE.pictures) this.#close();
    this.#needsKey = false;
    const data = this.#sets ? toAnnexB(frame, this.#sets) : frame.data;
    try {
      this.#decoder ??= this.#configured();
      this.#fedAt ??= performance.now();
      const timestamp = Math.round(frame.time * 1e6);
      if (frame.hidden) this.#hidden.add(timestamp);
      if (frame.time < this.#fedTime) this.#painter.reordered();
      this.#fedTime = frame.time;
      this.#decoder?.decode(new EncodedVideoChunk({ type: frame.key ? 'key' : 'delta', timestamp, data }));
    } catch (error) {
      this.#broken(error);
    }
  }

  /** A decoder that does not keep up, or hangs, is given nothing until the next keyframe. */
  #watch(now) {
    const patience = (this.#painter.hasPainted || this.#silences > 0 ? SILENT_MS.later : SILENT_MS.first) + 5000 * this.edge.chunk;
    // A page that stood still itself knows nothing of its decoder.
    if (this.#fedAt !== null && now - this.#watchedAt > patience / 2) this.#fedAt = now;
    this.#watchedAt = now;
    if (this.#fedAt !== null && now - this.#fedAt > patience) this.#silent();
    const queued = this.#decoder?.decodeQueueSize ?? 0;
    if (queued <= LATE.pictures || this.#needsKey) this.#easyAt = now;
    if (queued < MAX_WAITING && now - this.#easyAt < LATE.ms) return;
    this.#needsKey = true;
    this.edge.stats.resyncs++;
    this.#lateAt = [...this.#lateAt.filter(at => now - at < TOO_OFTEN.ms), now];
    if (!this.#insist && this.#lateAt.length >= TOO_OFTEN.times) this.#giveWay('the decoder does not keep up');
  }

  /** Another transport takes over. This one is tried again later. */
  #giveWay(reason) {
    const until = distrust(this.#codec(isVideo), reason);
    this.#fail(reason, { unplayable: true, kind: 'mp4', until });
  }

  #configured() {
    const decoder = new VideoDecoder({
      output: picture => (decoder === this.#decoder ? this.#decoded(picture) : picture.close()),
      error: error => decoder === this.#decoder && this.#broken(error),
    });
    decoder.configure({ codec: this.#codec(isVideo), optimizeForLatency: true });
    return decoder;
  }

  #close() {
    this.#fedAt = null;
    this.#hidden.clear();
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = null;
    this.#needsKey = true;
  }

  #silent() {
    if (++this.#silences > 1) return this.#giveWay('the browser cannot decode this: no picture comes out');
    this.#broken(new Error('no picture comes out'));
  }

  /** After damage, or when the browser took the decoder away: from the newest keyframe, and if that does not help, from the next one. */
  #broken(error) {
    this.#close();
    if (++this.#errors > MAX_BREAKS || error.name === 'NotSupportedError') return this.#giveWay(`the browser cannot decode this: ${error.message}`);
    this.edge.stats.resyncs++;
    if (this.#errors === 1) this.#again();
  }

  #decoded(picture) {
    this.#fedAt = null;
    if (this.#hidden.delete(picture.timestamp)) return picture.close();
    if (!this.#insist && isForVideo(picture.colorSpace) && MseTransport.refusal() === '') {
      picture.close();
      return this.#fail('HDR is for a <video>', { unplayable: true, kind: 'mp4' });
    }
    this.#painter.add(picture, this.#decoder?.decodeQueueSize ?? 0);
  }

  #painted(isFirst) {
    // The first one is shown before its time.
    if (isFirst && this.#jitter.target > 0) this.#painter.stalls.rest();
    this.edge.stats.stalls = this.#painter.stalls.count;
    this.#errors = this.#silences = 0;
  }

  #shown(media) {
    this.#events.shown({ captured: this.#captures.at(media), at: wallNow() + DISPLAY_MS });
  }

  #closed(reason, code) {
    this.#fail(reason, { soon: isSoon(code), unreachable: !this.link.opened, denied: isDenied(code) });
  }

  #fail(reason, how = {}) {
    if (this.#stopped) return;
    this.stop();
    this.#events.failed(reason, how);
  }
}
