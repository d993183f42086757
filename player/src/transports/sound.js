/** What is offered to AudioWorklet beside this module; it comes from where the module came from, as a strict Content-Security-Policy wants it. */
const WORKLET = new URL('h5live-sound.js', import.meta.url);
const RATE = 48000;
/** A browser that has not begun to play sound after this time wants a gesture first, or has nothing to play it with. */
const GESTURE_MS = 1000;
/** An output that has so little in hand as it can had nothing to play so often within this time: the next one has what browsers think right. */
const GAPS = { times: 3, ms: 10000 };
/** What the outputs of this page have in hand. @type {number | 'interactive'} */
let latencyHint = 0;
/** What the audio thread said longer ago than this says nothing of now. */
const STALE_S = 1;
/** Pictures are judged over so many of them, and so often: more than so much too late, and the sound waits for them. */
const STEP = { pictures: 60, ms: 500, late: 0.008 };
/** An audio device is given up after so many decoder errors in a row. */
const MAX_SOUND_ERRORS = 3;

/** What is said before the audio thread says anything. */
const SILENCE = { held: 0, underruns: 0, waits: false, gaps: 0, heard: null, at: 0 };

/**
 * Sound by WebCodecs: decoded here, played by a worklet that keeps as little in hand as the network allows.
 *
 * @typedef {object} SoundEvents
 * @property {() => void} blocked  the browser wants a gesture before it plays sound
 * @property {(reason: string) => void} failed
 */
export class Sound {
  #context;
  #gain;
  #volume;
  #node = null;
  #events;
  #decoder = null;
  #config = null;
  #errors = 0;
  #closed = false;
  #report = SILENCE;
  /** By how much pictures were later than the sound of their time, seconds; when that was judged. */
  #late = [];
  #judgedAt = 0;
  /** When the output had nothing to play, and how often by then. */
  #gaps = { count: 0, at: [] };

  /** @param {number} volume 0 to 1 @param {SoundEvents} events */
  constructor(volume, events) {
    this.#events = events;
    this.#volume = volume;
    this.#start();
  }

  set volume(volume) {
    this.#volume = this.#gain.gain.value = volume;
  }

  /** Seconds of sound in hand. */
  get buffer() {
    return this.#report.held;
  }

  get underruns() {
    return this.#report.underruns;
  }

  /** When the sound of this media time (seconds) is heard, by performance.now(); null where none is played. */
  dueAt(media) {
    const { heard, at } = this.#report;
    const { contextTime, performanceTime } = this.#clock();
    if (heard === null || this.#context.state !== 'running' || contextTime - at > STALE_S) return null;
    return performanceTime + 1000 * (media - heard - (contextTime - at));
  }

  /** A picture could be on the screen at `at`, by performance.now(): where pictures come later than their sound, that is held for longer. */
  pictureAt(media, at) {
    const due = this.dueAt(media);
    if (due === null) return;
    this.#late.push((at - due) / 1000);
    if (this.#late.length > STEP.pictures) this.#late.shift();
    if (this.#late.length < STEP.pictures / 4 || at - this.#judgedAt < STEP.ms) return;
    this.#judgedAt = at;
    const late = this.#late.toSorted((a, b) => a - b)[Math.floor(0.75 * this.#late.length)];
    const isOff = late > STEP.late || (this.#report.waits && late < -4 * STEP.late);
    if (!isOff) return;
    this.#late = [];
    this.#node?.port.postMessage({ wait: late });
  }

  /** A time of the audio context, and the time by performance.now() at which what was made then is heard. */
  #clock() {
    const { contextTime, performanceTime } = this.#context.getOutputTimestamp?.() ?? {};
    if (contextTime > 0 && performanceTime > 0) return { contextTime, performanceTime };
    return { contextTime: this.#context.currentTime - (this.#context.outputLatency || this.#context.baseLatency || 0), performanceTime: performance.now() };
  }

  /** To be called from a gesture, too. */
  resume() {
    if (this.#context.state === 'running') return;
    this.#context.resume().catch(() => {});
    setTimeout(() => this.#silent(), GESTURE_MS);
  }

  /** @param {string} codec by RFC 6381 @param {import('../engine/bmff.js').Track} track */
  open(codec, track) {
    this.#config = { codec, sampleRate: track.rate || RATE, numberOfChannels: track.channels || 2, ...described(codec, track.config) };
    this.#drop();
  }

  feed({ time, data }) {
    if (!this.#config || this.#closed) return;
    this.#decoder ??= this.#configured();
    this.#decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp: Math.round(time * 1e6), data }));
  }

  close() {
    this.#closed = true;
    this.#drop();
    this.#context.close().catch(() => {});
  }

  async #start() {
    const context = new AudioContext({ sampleRate: RATE, latencyHint });
    this.#context = context;
    this.#gain = new GainNode(context, { gain: this.#volume });
    this.#gain.connect(context.destination);
    this.resume();
    const isOver = () => this.#closed || context !== this.#context;
    try {
      await context.audioWorklet.addModule(WORKLET);
      if (isOver()) return;
      this.#node = new AudioWorkletNode(context, 'h5live-sound', { numberOfInputs: 0, outputChannelCount: [2] });
      this.#node.port.onmessage = ({ data }) => isOver() || this.#reported(data);
      this.#node.connect(this.#gain);
    } catch (error) {
      if (!isOver()) this.#events.failed(error.message);
    }
  }

  #reported(report) {
    this.#report = report;
    const isAnother = report.gaps > this.#gaps.count;
    this.#gaps.count = report.gaps;
    if (!isAnother || latencyHint !== 0) return;
    const now = performance.now();
    this.#gaps.at = [...this.#gaps.at.filter(at => now - at < GAPS.ms), now];
    if (this.#gaps.at.length >= GAPS.times) this.#startAnew();
  }

  /** With more in hand in the output: this machine does not come in time for so little. */
  #startAnew() {
    latencyHint = 'interactive';
    this.#context.close().catch(() => {});
    [this.#node, this.#report, this.#late] = [null, SILENCE, []];
    this.#start();
  }

  #silent() {
    if (this.#closed || this.#context.state === 'running') return;
    // After a gesture it is not the gesture that is missing.
    if (navigator.userActivation?.hasBeenActive) this.#events.failed('no device plays it');
    else this.#events.blocked();
  }

  #configured() {
    const decoder = new AudioDecoder({
      output: sound => this.#play(sound),
      error: error => decoder === this.#decoder && this.#broken(error),
    });
    decoder.configure(this.#config);
    return decoder;
  }

  #play(sound) {
    this.#errors = 0;
    const planes = Array.from({ length: Math.min(2, sound.numberOfChannels) }, (_, planeIndex) => {
      const plane = new Float32Array(sound.numberOfFrames);
      sound.copyTo(plane, { planeIndex, format: 'f32-planar' });
      return plane;
    });
    this.#node?.port.postMessage({ rate: sound.sampleRate, planes, time: sound.timestamp / 1e6 }, planes.map(plane => plane.buffer));
    sound.close();
  }

  /** Every packet of sound stands alone: the next one is tried. */
  #broken(error) {
    this.#drop();
    if (++this.#errors >= MAX_SOUND_ERRORS) this.#events.failed(error.message);
  }

  #drop() {
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = null;
  }
}

/** What AudioDecoder wants to know besides (WebCodecs codec registry): the AudioSpecificConfig of AAC, the header blocks of FLAC. Opus in stereo needs nothing. */
function described(codec, config) {
  if (!config) return {};
  if (codec.startsWith('mp4a')) {
    const description = specificConfig(config);
    return description && { description };
  }
  if (codec.startsWith('flac')) return { description: Uint8Array.of(...[...'fLaC'].map(c => c.charCodeAt(0)), ...config.subarray(4)) };
  return {};
}

/** DecoderSpecificInfo inside an `esds` box (ISO/IEC 14496-1, section 7.2.6): ES_Descriptor 3, DecoderConfigDescriptor 4, DecoderSpecificInfo 5. */
function specificConfig(esds) {
  let at = 4;
  for (const [tag, fields] of [[3, 3], [4, 13], [5, 0]]) {
    if (esds[at++] !== tag) return null;
    let size = 0;
    do size = size * 128 + (esds[at] & 127);
    while (esds[at++] & 128);
    if (tag === 5) return esds.slice(at, at + size);
    at += fields;
  }
  return null;
}
