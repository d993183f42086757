// A media element and a network on a simulated clock, for the controller alone.
import { LiveEdge } from '../src/engine/controller.js';

/** A repeatable random number generator (Mulberry32), 0 to 1. */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Plays `seconds` of a live stream that began long before the viewer came.
 * @param {object} o
 * @param {number} o.fps
 * @param {number} [o.gop]     seconds from keyframe to keyframe; a viewer first gets what is cached since the last one
 * @param {number} [o.phase]   how far into its group of pictures the stream is when the viewer comes, 0 to 1
 * @param {(n: number, t: number) => number | null} [o.delay]  ms from capture to arrival of frame n captured at t ms; null: never
 * @param {boolean} [o.audio]
 * @param {number} [o.target]  seconds that the viewer wants in hand
 * @param {boolean} [o.costly]  whether each change of the rate is a seek of the decoder
 * @param {number} [o.resume]  seconds of media that the browser wants before it goes on after a stall
 * @param {number} [o.brink]   seconds of media with which the browser already stalls
 * @param {(sim: object) => void} [o.each]  called every millisecond, to interfere
 */
export function simulate(o) {
  const { fps, gop = 1, phase = 0.5, seconds = 10, delay = () => 5, audio = false, target = 0, costly = false, resume = 0, brink = 0 } = o;
  const frame = 1000 / fps;
  const origin = 1000 * 1000;
  const sim = { now: 0, time: 0, rate: 1, paused: true, ranges: [], log: [], latencies: [], waits: [], rates: new Set(), hidden: false, frozen: false };
  const edge = (sim.edge = new LiveEdge({ chunk: 1 / fps, audio }));
  edge.costly = costly;
  edge.target = target;
  sim.view = () => view();
  sim.follow = advice => follow(advice);
  const arrivals = [];
  const first = -Math.round(gop * fps * phase);
  let free = 0;
  for (let n = first; (n * 1000) / fps < seconds * 1000; n++) {
    const t = n * frame;
    const late = delay(n, t);
    if (late === null) continue;
    free = Math.max(free, t + late, 0); // in order, and nothing before the viewer came
    arrivals.push({ at: free, start: (origin + t) / 1000, end: (origin + t + frame) / 1000 });
  }
  const view = () => ({ time: sim.time, rate: sim.rate, paused: sim.paused, seeking: false, ranges: sim.ranges.map(r => [...r]) });
  const follow = advice => {
    if (!advice) return;
    sim.log.push({ at: sim.now, ...advice });
    if (advice.seek !== undefined) sim.time = advice.seek;
    if (advice.rate !== undefined) sim.rate = advice.rate;
    if (advice.pause) sim.paused = true;
    if (advice.play) sim.paused = false;
    if (advice.trim !== undefined) sim.ranges = sim.ranges.map(([a, b]) => [Math.max(a, advice.trim), b]).filter(([a, b]) => a < b);
    sim.rates.add(sim.rate);
  };
  let shown = null;
  let stalled = false;
  let lastAhead = 0;
  for (; sim.now < seconds * 1000; sim.now++) {
    o.each?.(sim);
    while (arrivals.length && arrivals[0].at <= sim.now) {
      const batch = arrivals.filter(a => a.at <= sim.now);
      arrivals.splice(0, batch.length);
      follow(edge.append(sim.now, view()));
      for (const { start, end } of batch) {
        const range = sim.ranges.at(-1);
        if (range && start - range[1] < 0.001) range[1] = end;
        else sim.ranges.push([start, end]);
      }
      follow(edge.appended(sim.now, view()));
    }
    const range = sim.ranges.find(([a, b]) => a <= sim.time && sim.time < b);
    if (!sim.paused && range && range[1] - sim.time >= brink && !(stalled && range[1] - sim.time < brink + resume)) {
      sim.time = Math.min(sim.time + sim.rate / 1000, range[1]);
      stalled = false;
    } else if (!sim.paused && !stalled) {
      stalled = true;
      sim.waits.push(sim.now);
      follow(edge.waiting(sim.now));
    }
    const at = range && Math.floor((sim.time * 1000 - origin) / frame + 1e-6);
    if (range && !stalled && at !== shown && !sim.hidden && !sim.frozen) {
      shown = at;
      edge.shown(sim.now, (origin + at * frame) / 1000);
      if (!sim.paused) sim.latencies.push([sim.now, sim.now - at * frame]);
    }
    if (sim.now % 250 === 0) follow(edge.check(sim.now, view(), sim.hidden));
    lastAhead = sim.ranges.length ? sim.ranges.at(-1)[1] - sim.time : 0;
  }
  sim.ahead = lastAhead;
  return sim;
}

/** Median latency of what was shown from `from` to `to` (ms). */
export function latency(sim, from, to = Infinity) {
  const part = sim.latencies.filter(([t]) => t >= from && t < to).map(([, l]) => l).sort((a, b) => a - b);
  return part.length ? part[part.length >> 1] : NaN;
}
