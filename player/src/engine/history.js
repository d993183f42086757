/** Rates are means over this time; latencies are kept for a minute. */
const RATE_MS = 3000;
const KEPT_MS = 60000;

/** What the statistics need of the past: frames and bits a second from totals, and the course of the latency. Pure. */
export class History {
  #totals = [];
  #latencies = [];

  /** To be called a few times a second. `bytes` begins anew with each connection. @param {number} now monotonic ms */
  add(now, { pictures, bytes, latency }) {
    const last = this.#totals.at(-1);
    if (last && (bytes < last.bytes || pictures < last.pictures)) this.#totals = [];
    this.#totals.push({ now, pictures, bytes });
    while (now - this.#totals[0].now > RATE_MS) this.#totals.shift();
    this.#latencies.push({ now, latency });
    while (now - this.#latencies[0].now > KEPT_MS) this.#latencies.shift();
  }

  /** Pictures a second; null before anything is known. */
  get fps() {
    return this.#rate('pictures');
  }

  /** Bits a second, likewise. */
  get bitrate() {
    const rate = this.#rate('bytes');
    return rate === null ? null : 8 * rate;
  }

  /** `[seconds ago, ms]`, the oldest first; ms is null where there was no picture, or none with a time. */
  latencies(now) {
    return this.#latencies.map(sample => [(now - sample.now) / 1000, sample.latency]);
  }

  #rate(name) {
    const [first, last] = [this.#totals[0], this.#totals.at(-1)];
    if (!first || last.now - first.now < 900) return null;
    return (1000 * (last[name] - first[name])) / (last.now - first.now);
  }
}
