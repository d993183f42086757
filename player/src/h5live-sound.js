/**
 * Plays sound as it comes, in the audio thread. What is kept in hand is as little as the network allows: more after each underrun, less again
 * after a long time without one. The difference of the two clocks, and what is too much, is played off by a rate that is not heard. It tells which time
 * of the media is heard when: the pictures go by that.
 */

const CAPACITY_S = 4;
const FIRST_S = 0.06;
const MOST_S = 0.4;
/** An underrun adds this much to what is kept. */
const STEP_S = 0.02;
/** A time without an underrun takes half of what was added away again; where that was too early, twice that time is waited. */
const CALM_S = { first: 20, most: 600 };
/** So much more than is wanted is left out at once; less than that at the start, when what was cached comes in a burst. */
const EXCESS_S = 0.2;
const EARLY = { excess: 0.04, time: 2 };
/** At most 1 % faster or slower: a sixth of a semitone. */
const MAX_DRIFT = 0.01;
/** A cut is hidden by a fade of so many samples. */
const FADE = 128;
const REPORT_S = 0.1;
/** A change of what the pictures need is made at once when it is larger than this, as it would be seen for seconds. */
const IN_STEP_S = 0.02;

export class Player {
  #planes;
  #capacity;
  #written = 0;
  #position = 0;
  #rate = 0;
  #playing = false;
  #fade = 0;
  #smooth = 0;
  #calm = 0;
  #patience = CALM_S.first;
  #eased = false;
  /** Media time at the end of what is held, seconds; null where it is not known. */
  #end = null;
  #network = FIRST_S;
  #pictures = 0;

  /** @param {number} rate of the output */
  constructor(rate) {
    this.rate = rate;
    this.underruns = 0;
    this.#reset(rate);
  }

  /** Seconds in hand. */
  get held() {
    return (this.#written - this.#position) / this.#rate;
  }

  /** Seconds that are to be held: what the network needs, and no less than the pictures need. */
  get target() {
    return Math.max(this.#network, this.#pictures);
  }

  /** The media time that the next sample has, seconds; null while nothing is played. */
  get heard() {
    return this.#playing && this.#end !== null ? this.#end - this.held : null;
  }

  /** So much is to be held for pictures that come later than the sound of the same time. @param {number} seconds */
  wait(seconds) {
    const before = this.target;
    this.#pictures = Math.max(0, Math.min(MOST_S, seconds));
    if (this.#playing && Math.abs(this.target - before) > IN_STEP_S) this.#jump();
  }

  /** @param {{rate: number, planes: Float32Array[], time?: number}} sound  `time` of its first sample in the media, seconds */
  push({ rate, planes, time = null }) {
    if (rate !== this.#rate) this.#reset(rate);
    const { length } = planes[0];
    if (length > this.#capacity) return;
    this.#end = time === null ? null : time + length / rate;
    for (const [i, plane] of this.#planes.entries()) {
      const from = planes[Math.min(i, planes.length - 1)];
      const at = this.#written % this.#capacity;
      const room = Math.min(length, this.#capacity - at);
      plane.set(from.subarray(0, room), at);
      plane.set(from.subarray(room), 0);
    }
    this.#written += length;
    if (this.held > this.target + (this.#calm < EARLY.time ? EARLY.excess : EXCESS_S)) this.#jump();
  }

  /** Fills one block of output. */
  pull(outputs) {
    const { length } = outputs[0];
    if (!this.#playing && this.held >= this.target) this.#begin();
    const step = (this.#rate / this.rate) * this.#pace(length);
    for (let i = 0; i < length; i++) {
      if (this.#playing && this.#position + 1 >= this.#written) this.#starved();
      const whole = Math.floor(this.#position);
      const part = this.#position - whole;
      this.#fade = this.#playing ? Math.min(1, this.#fade + 1 / FADE) : 0;
      for (const [channel, output] of outputs.entries()) {
        const plane = this.#planes[Math.min(channel, 1)];
        const a = plane[whole % this.#capacity];
        output[i] = this.#playing ? this.#fade * (part ? a + (plane[(whole + 1) % this.#capacity] - a) * part : a) : 0;
      }
      if (this.#playing) this.#position += step;
    }
  }

  #reset(rate) {
    this.#rate = rate;
    this.#capacity = Math.ceil(rate * CAPACITY_S);
    this.#planes = [new Float32Array(this.#capacity), new Float32Array(this.#capacity)];
    this.#written = this.#position = 0;
    this.#playing = false;
  }

  #begin() {
    this.#jump();
    this.#smooth = this.target;
    this.#playing = true;
  }

  /** To where as much is in hand as is wanted. */
  #jump() {
    this.#position = Math.max(0, this.#written - Math.ceil(this.target * this.#rate));
    this.#smooth = this.target;
    this.#fade = 0;
  }

  #starved() {
    this.#playing = false;
    this.underruns++;
    this.#calm = 0;
    if (this.#eased) this.#patience = Math.min(CALM_S.most, 2 * this.#patience);
    this.#eased = false;
    this.#network = Math.min(MOST_S, this.#network + STEP_S);
  }

  #ease() {
    const added = this.#network - FIRST_S;
    this.#eased = added > 0;
    this.#calm = EARLY.time;
    this.#network -= Math.min(added, Math.max(STEP_S, added / 2));
  }

  /** How much faster than its own rate it is to be played now. */
  #pace(length) {
    if (!this.#playing) return 1;
    const time = length / this.rate;
    this.#smooth += (this.held - this.#smooth) * Math.min(1, time);
    this.#calm += time;
    if (this.#calm > this.#patience) this.#ease();
    const excess = this.#smooth - this.target;
    if (Math.abs(excess) < STEP_S) return 1;
    return 1 + Math.max(-MAX_DRIFT, Math.min(MAX_DRIFT, excess / 4));
  }
}

// In a test there is no audio thread.
if (globalThis.registerProcessor) {
  registerProcessor('h5live-sound', class extends AudioWorkletProcessor {
    #player = new Player(sampleRate);
    #reported = 0;

    constructor() {
      super();
      this.port.onmessage = ({ data }) => (data.wait === undefined ? this.#player.push(data) : this.#player.wait(data.wait));
    }

    process(_, [outputs]) {
      const { heard } = this.#player;
      this.#player.pull(outputs);
      if (currentTime - this.#reported >= REPORT_S) {
        this.#reported = currentTime;
        const { held, target, underruns } = this.#player;
        this.port.postMessage({ held, target, underruns, heard, at: currentTime });
      }
      return true;
    }
  });
}
