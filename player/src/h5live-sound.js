/**
 * Plays sound as it comes, in the audio thread, as early as the network allows: each sample is heard so long after its time in the media as the latest packet
 * of the last seconds needed to come. What is held too long, or not long enough, is played off by a rate that is not heard. It tells which time of the media
 * is heard when: the pictures go by that.
 */

const CAPACITY_S = 4;
/** A packet is to be there so long before it is needed. */
const SPARE_S = 0.006;
/** Packets are waited for that come so much later than the quickest of them: more after an underrun, and less again after a time without one. */
const SPREAD_S = { first: 0.06, step: 0.02, most: 0.4 };
const CALM_S = 20;
/** How late packets came is remembered for one to two times this; not so long at the start, when what was cached comes in a burst. */
const WINDOW_S = 8;
/** A packet whose lateness is so far from that of the others has other times than they. */
const OTHER_S = 1.5;
/** So much more than is wanted is left out at once; less than that at the start. */
const EXCESS_S = 0.2;
const EARLY = { excess: 0.02, window: 0.5, time: 2 };
/** At most 1 % faster or slower: a sixth of a semitone. */
const MAX_DRIFT = 0.01;
/** A difference that is not worth another rate. */
const NEAR_S = 0.002;
/** A cut is hidden by a fade of so many samples. */
const FADE = 128;
const REPORT_S = 0.1;
/** A change of what the pictures need is made at once when it is larger than this, as it would be seen for seconds. */
const IN_STEP_S = 0.02;

/** How late packets come, by the clock of the output less their time in the media, seconds: the least and the most of this and of the last window. */
class Lateness {
  #begun = 0;
  #since = -Infinity;
  #now = { least: Infinity, most: -Infinity };
  #before = { least: Infinity, most: -Infinity };
  #isSettled = false;

  get least() {
    return Math.min(this.#now.least, this.#before.least);
  }

  get most() {
    return Math.max(this.#now.most, this.#before.most);
  }

  /** They have come for a while. */
  get isSettled() {
    return this.#isSettled;
  }

  add(now, late) {
    const isOther = !(Math.abs(late - this.least) < OTHER_S);
    if (isOther) this.#begun = now;
    this.#isSettled = now - this.#begun > EARLY.time;
    if (isOther || now - this.#since > (this.#isSettled ? WINDOW_S : EARLY.window)) this.#turn(now, isOther);
    this.#now.least = Math.min(this.#now.least, late);
    this.#now.most = Math.max(this.#now.most, late);
  }

  #turn(now, forgets) {
    [this.#now, this.#before] = [this.#before, this.#now];
    for (const window of forgets ? [this.#now, this.#before] : [this.#now]) [window.least, window.most] = [Infinity, -Infinity];
    this.#since = now;
  }
}

export class Player {
  #planes;
  #capacity;
  #written = 0;
  #position = 0;
  #rate = 0;
  /** Blocks that were pulled, in samples of the output: its clock. */
  #pulled = 0;
  #playing = false;
  #fade = 0;
  /** The time in the media at the end of what is held, seconds. */
  #end = 0;
  #packet = 0;
  #lateness = new Lateness();
  /** Packets that are later than this are not waited for. */
  #spread = SPREAD_S.first;
  #calmSince = 0;
  /** How much later than the quickest packet the pictures want the sound. */
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

  /** Seconds that are to be in hand when a packet has come that was not late. */
  get target() {
    return Math.max(this.#needed, this.#pictures);
  }

  /** The sound waits for the pictures, and not for its own packets. */
  get waits() {
    return this.#pictures > this.#needed;
  }

  /** The media time that the next sample has, seconds; null while nothing is played. */
  get heard() {
    return this.#playing ? this.#end - this.held : null;
  }

  get #now() {
    return this.#pulled / this.rate;
  }

  get #needed() {
    const { least, most } = this.#lateness;
    return Math.min(this.#spread, most - least) + this.#packet + SPARE_S;
  }

  /** Seconds that are to be in hand now. */
  get #wanted() {
    return this.target - (this.#now - this.#end - this.#lateness.least);
  }

  /** The pictures are so much later than their sound, or earlier, and no more than that. @param {number} seconds */
  wait(seconds) {
    if (!this.#playing) return;
    const now = this.target + this.held - this.#wanted;
    this.#pictures = Math.max(0, Math.min(SPREAD_S.most, now + seconds));
    if (Math.abs(this.held - this.#wanted) > IN_STEP_S) this.#jump();
  }

  /** @param {{rate: number, planes: Float32Array[], time?: number}} sound  `time` of its first sample in the media, seconds */
  push({ rate, planes, time = null }) {
    if (rate !== this.#rate) this.#reset(rate);
    const { length } = planes[0];
    if (length > this.#capacity) return;
    for (const [i, plane] of this.#planes.entries()) {
      const from = planes[Math.min(i, planes.length - 1)];
      const at = this.#written % this.#capacity;
      const room = Math.min(length, this.#capacity - at);
      plane.set(from.subarray(0, room), at);
      plane.set(from.subarray(room), 0);
    }
    this.#written += length;
    this.#packet = length / rate;
    this.#end = (time ?? this.#end) + this.#packet;
    this.#lateness.add(this.#now, this.#now - this.#end);
    if (this.#playing && this.held - this.#wanted > (this.#lateness.isSettled ? EXCESS_S : EARLY.excess)) this.#jump();
  }

  /** Fills one block of output. */
  pull(outputs) {
    const { length } = outputs[0];
    if (!this.#playing && this.#wanted > 0 && this.held >= this.#wanted) this.#begin();
    const step = (this.#rate / this.rate) * this.#pace();
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
    this.#pulled += length;
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
    this.#playing = true;
    this.#calmSince = this.#now;
  }

  /** To where as much is in hand as is wanted. */
  #jump() {
    this.#position = Math.max(0, this.#written - Math.ceil(this.#wanted * this.#rate));
    this.#fade = 0;
  }

  #starved() {
    this.#playing = false;
    this.underruns++;
    if (this.#lateness.isSettled) this.#spread = Math.min(SPREAD_S.most, this.#spread + SPREAD_S.step);
  }

  /** How much faster than its own rate it is to be played now. */
  #pace() {
    if (!this.#playing) return 1;
    if (this.#now - this.#calmSince > CALM_S) {
      this.#calmSince = this.#now;
      this.#spread = Math.max(SPREAD_S.first, Math.min(this.#spread, this.#lateness.most - this.#lateness.least));
    }
    const excess = this.held - this.#wanted;
    if (Math.abs(excess) < NEAR_S) return 1;
    return 1 + Math.max(-MAX_DRIFT, Math.min(MAX_DRIFT, excess / 4));
  }
}

/** The clock of an output falls back behind the wall clock by more than this when the output had nothing to play in time; one that rested falls back by more. */
const GAP_MS = { least: 5, most: 1000 };
const LOOK_S = 0.5;

/** Counts the times at which the output had nothing to play, as this thread came too late. Pure. */
export class Gaps {
  count = 0;
  #since = 0;
  #least = Infinity;
  #before = null;

  /** @param {number} wall Unix ms @param {number} time  of the output, seconds */
  look(wall, time) {
    this.#least = Math.min(this.#least, wall - 1000 * time);
    if (time - this.#since < LOOK_S) return;
    const fell = this.#before === null ? 0 : this.#least - this.#before;
    if (fell > GAP_MS.least && fell < GAP_MS.most) this.count++;
    [this.#since, this.#before, this.#least] = [time, this.#least, Infinity];
  }
}

// In a test there is no audio thread.
if (globalThis.registerProcessor) {
  registerProcessor('h5live-sound', class extends AudioWorkletProcessor {
    #player = new Player(sampleRate);
    #gaps = new Gaps();
    #reported = 0;

    constructor() {
      super();
      this.port.onmessage = ({ data }) => (data.wait === undefined ? this.#player.push(data) : this.#player.wait(data.wait));
    }

    process(_, [outputs]) {
      const { heard } = this.#player;
      this.#player.pull(outputs);
      this.#gaps.look(Date.now(), currentTime);
      if (currentTime - this.#reported >= REPORT_S) {
        this.#reported = currentTime;
        const { held, target, waits, underruns } = this.#player;
        this.port.postMessage({ held, target, waits, underruns, gaps: this.#gaps.count, heard, at: currentTime });
      }
      return true;
    }
  });
}
