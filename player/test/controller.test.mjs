// The live-edge controller on a simulated clock.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latency, random, simulate } from './simulation.mjs';
import { LiveEdge } from '../src/engine/controller.js';

const whys = sim => sim.log.map(a => a.why);
const count = (sim, why) => whys(sim).filter(w => w === why).length;
const jitter = (ms, seed = 1) => {
  const next = random(seed);
  return () => 5 + next() * ms;
};

for (const fps of [10, 15, 25, 30, 60]) {
  test(`${fps} fps: plays at once, close to the edge, without a stall`, () => {
    const sim = simulate({ fps, delay: jitter(5) });
    assert.equal(count(sim, 'start'), 1);
    assert.ok(sim.log.find(a => a.why === 'start').at < 3000 / fps + 100);
    assert.deepEqual(sim.waits.filter(t => t > 1000), []);
    // 42 ms of margin, one frame, and what it takes to come here.
    const allowed = 42 + 1000 / fps + 12;
    assert.ok(latency(sim, 6000) < allowed, `${latency(sim, 6000)} ms, allowed ${allowed}`);
  });
}

for (const fps of [10, 15, 25, 30, 60]) {
  test(`${fps} fps over a network with 40 ms of jitter: no stall after it is known, and no more delay than it takes`, () => {
    const sim = simulate({ fps, seconds: 40, delay: jitter(40) });
    const late = sim.waits.filter(t => t > 15000);
    assert.ok(late.length <= 2, `${late}`);
    const allowed = 5 + 40 + 2000 / fps + 70;
    assert.ok(latency(sim, 15000) < allowed, `${latency(sim, 15000)} ms, allowed ${allowed}`);
  });

  test(`${fps} fps in bursts of five frames`, () => {
    const frame = 1000 / fps;
    const sim = simulate({ fps, seconds: 40, gop: 5, delay: n => (4 - ((n % 5) + 5) % 5) * frame + 5 });
    assert.ok(sim.waits.filter(t => t > 15000).length <= 2, `${sim.waits}`);
    assert.ok(latency(sim, 15000) < 6 * frame + 100, `${latency(sim, 15000)} ms`);
  });
}

for (const fps of [25, 30]) {
  test(`${fps} fps, a browser that stalls with 45 ms in hand: after two stalls it gets what it needs`, () => {
    const sim = simulate({ fps, seconds: 60, brink: 0.045, delay: jitter(3) });
    assert.ok(sim.waits.filter(t => t > 1000).length <= 4, `${sim.waits}`);
    assert.deepEqual(sim.waits.filter(t => t > 8000 && t < 25000), []);
    assert.ok(latency(sim, 8000) < 45 + 1000 / fps + 25, `${latency(sim, 8000)}`);
  });
}

test('where a change of the rate is a seek of the decoder, there are few, and between two rates', () => {
  // Every ten seconds a second of the stream comes 300 ms late.
  const options = { fps: 30, seconds: 60, delay: (n, t) => (t % 10000 > 8000 && t % 10000 < 9000 ? 300 : 5 + (n % 7)) };
  const [fine, costly] = [simulate(options), simulate({ ...options, costly: true })];
  assert.ok([...costly.rates].every(rate => rate === 1 || rate === 1.06), `${[...costly.rates]}`);
  assert.ok(costly.edge.stats.rates <= 24 && costly.edge.stats.rates < fine.edge.stats.rates / 2, `${costly.edge.stats.rates}, else ${fine.edge.stats.rates}`);
  assert.ok(latency(costly, 20000) < latency(fine, 20000) + 120, `${latency(costly, 20000)} ms, else ${latency(fine, 20000)}`);
});

test('what was learned of a bad hour is forgotten in a good one', () => {
  const sim = simulate({ fps: 30, seconds: 150, delay: n => (n > 60 && n < 900 && n % 45 === 0 ? 90 : 5) });
  assert.ok(sim.waits.some(t => t > 2000 && t < 30000));
  assert.ok(latency(sim, 120000) < 100, `${latency(sim, 120000)}`);
});

test('a stall that everybody saw is caught up within 3 s, faster than would be allowed later', () => {
  // 600 ms of nothing, then all at once; the browser wants 350 ms before it goes on.
  const sim = simulate({ fps: 30, seconds: 20, resume: 0.25, delay: (n, t) => (t > 8000 && t < 8600 ? 8600 - t : 5) });
  const usual = latency(sim, 5000, 8000);
  assert.ok(latency(sim, 11700, 12200) < usual + 40, `${latency(sim, 11700, 12200)} after ${usual}`);
});

test('silences that no margin would have bridged teach nothing: after ten of them it is as live as before', () => {
  // Every 7 s the network stands still for 2 s, then everything comes at once.
  const silent = t => t > 7000 && t < 77000 && t % 7000 < 2000;
  const sim = simulate({ fps: 30, seconds: 90, resume: 0.1, delay: (n, t) => (silent(t) ? 2000 - (t % 7000) : 5) });
  const usual = latency(sim, 4000, 7000);
  assert.equal(sim.waits.length, 10, `${sim.waits}`);
  assert.ok(latency(sim, 79000, 83000) < usual + 10, `${latency(sim, 79000, 83000)} after ${usual}`);
});

test('a network that is too slow for ten seconds, and a server that leaves out what is a second late', () => {
  // 10 % too slow: the delay grows until the server jumps to the newest key picture, once a second of the stream.
  let behind = 0;
  const delay = (n, t) => {
    if (t < 5000 || t > 15000) return (behind = 5);
    behind += 33 * 0.1;
    if (behind > 300 && n % 30 === 0) behind = 5;
    return behind > 300 ? null : behind;
  };
  const sim = simulate({ fps: 30, seconds: 90, delay });
  const usual = latency(sim, 3000, 5000);
  assert.ok(latency(sim, 5000, 15000) < 500, `${latency(sim, 5000, 15000)}`);
  assert.ok(latency(sim, 19000, 20000) < usual + 150, `${latency(sim, 19000, 20000)}`);
  assert.ok(latency(sim, 85000) < usual + 20, `${latency(sim, 85000)}`);
});

test('a viewer who gets a second of cached pictures starts at their end, not at their beginning', () => {
  const sim = simulate({ fps: 30, gop: 2, phase: 0.9 });
  assert.ok(sim.latencies[0][1] < 120, `${sim.latencies[0][1]}`);
});

test('cached pictures that are still arriving when playback starts are left behind by one early seek', () => {
  // The first 60 frames come 5 ms apart: a slow link, not a burst.
  const sim = simulate({ fps: 30, gop: 2, phase: 1, delay: (n, t) => (n < 0 ? Math.max(5, (n + 60) * 5 - t) : 300 - Math.min(295, n * 20)) });
  assert.ok(count(sim, 'behind') <= 1);
  assert.ok(latency(sim, 3000, 5000) < 150, `${latency(sim, 3000, 5000)}`);
});

test('delay that is not needed is played off, a little of it by at most 6 %, and the rate is 1 again', () => {
  // Everything comes 250 ms late for two seconds, and in time from then on.
  const sim = simulate({ fps: 30, seconds: 30, delay: n => (n < 60 ? 250 : 5) });
  assert.ok(latency(sim, 1500, 2000) > 200);
  assert.ok(latency(sim, 20000) < 100, `${latency(sim, 20000)}`);
  assert.ok(Math.max(...sim.rates) <= 1.25 && Math.max(...sim.rates) > 1);
  const little = simulate({ fps: 30, seconds: 30, delay: n => (n < 180 ? 100 : 5) });
  assert.ok(Math.max(...little.rates) <= 1.06 && Math.max(...little.rates) > 1, `${[...little.rates]}`);
  assert.equal(sim.rate, 1);
  assert.deepEqual(sim.waits.filter(t => t > 4000), []);
});

test('a jittery network keeps the margin it needs', () => {
  const sim = simulate({ fps: 30, seconds: 30, delay: jitter(80) });
  assert.ok(sim.waits.filter(t => t > 8000).length <= 3, `${sim.waits}`);
  assert.ok(latency(sim, 8000) < 5 + 80 + 42 + 34, `${latency(sim, 8000)}`);
});

test('what a late chunk needed three seconds ago, at another delay, is counted at the delay of now', () => {
  // Every 2.6 s one chunk is 120 ms late: playing off all the rest would stall then.
  const sim = simulate({ fps: 30, seconds: 40, delay: n => (n < 60 ? 350 : n % 78 === 0 ? 125 : 5) });
  assert.ok(latency(sim, 25000) < 200, `${latency(sim, 25000)}`);
  assert.deepEqual(sim.waits.filter(t => t > 4000), []);
});

test('a browser that itself stood still for a while, and so is behind, seeks', () => {
  const sim = simulate({ fps: 30, seconds: 12, each: s => (s.now === 5000 && (s.paused = true)) || (s.now === 6500 && (s.paused = false)) });
  assert.equal(count(sim, 'behind'), 1);
  assert.ok(latency(sim, 8000) < 100, `${latency(sim, 8000)}`);
});

for (const fps of [10, 30]) {
  test(`after a network freeze of 10 s it is live again within 3 s, at ${fps} fps`, () => {
    const sim = simulate({ fps, seconds: 30, delay: (n, t) => (t > 8000 && t < 18000 ? 18000 - t : 5) });
    const usual = latency(sim, 5000, 8000);
    assert.ok(latency(sim, 20500, 21500) < usual + 1000 / fps + 20, `${latency(sim, 20500, 21500)} against ${usual}`);
  });
}

test('after a pause of the source it is live at once, though the browser waited for more', () => {
  // The pictures after the pause follow those before it without a hole: all later ones are two seconds later.
  const sim = simulate({ fps: 30, seconds: 15, resume: 0.35, delay: n => (n >= 150 ? 2005 : 5) });
  assert.equal(count(sim, 'behind'), 1);
  assert.ok(latency(sim, 8500, 9500) - 2000 < 130, `${latency(sim, 8500, 9500) - 2000}`);
});

test('a hole in the timeline is jumped', () => {
  // Two seconds were dropped for this viewer: what follows is the newest group of pictures.
  const sim = simulate({ fps: 30, seconds: 15, delay: (n, t) => (t >= 6000 && t < 8000 ? null : 5) });
  assert.equal(count(sim, 'gap'), 1);
  assert.equal(count(sim, 'behind'), 0);
  assert.ok(latency(sim, 9000, 11000) < 100, `${latency(sim, 9000, 11000)}`);
});

test('small holes all along, as a writer with too short durations makes them, do not freeze it', () => {
  const edge = new LiveEdge({ chunk: 0.04 });
  const ranges = [];
  const view = { time: 100, rate: 1, paused: true, seeking: false, ranges };
  let now = 0;
  let seeks = 0;
  for (let n = 0; n < 50; n++, now += 40) {
    ranges.push([100 + n * 0.04, 100 + n * 0.04 + 0.033]);
    for (const advice of [edge.append(now, view), edge.appended(now, view)]) {
      if (advice?.seek !== undefined) {
        view.time = advice.seek;
        seeks++;
      }
      if (advice?.play) view.paused = false;
    }
    const range = ranges.find(r => r[0] <= view.time && view.time < r[1]);
    if (range) view.time = Math.min(view.time + 0.04, range[1]);
  }
  assert.ok(seeks > 5, `${seeks} seeks`);
});

test('with sound: 250 ms in hand, and the rate is left alone', () => {
  const sim = simulate({ fps: 30, seconds: 15, audio: true, delay: jitter(20) });
  assert.deepEqual([...sim.rates], [1]);
  assert.ok(latency(sim, 3000) > 180 && latency(sim, 3000) < 320, `${latency(sim, 3000)}`);
  assert.deepEqual(sim.waits.filter(t => t > 1000), []);
});

test('with sound, after ten seconds of nothing: as before within 3 s', () => {
  const sim = simulate({ fps: 30, seconds: 30, audio: true, delay: (n, t) => (t > 8000 && t < 18000 ? 18000 - t : 5) });
  assert.ok(latency(sim, 20500, 21500) < latency(sim, 5000, 8000) + 60, `${latency(sim, 20500, 21500)}`);
});

test('with sound: more than a second behind is left by a seek', () => {
  const sim = simulate({ fps: 30, seconds: 20, audio: true, delay: (n, t) => (t > 5000 && t < 8000 ? 8000 - t : 5) });
  assert.ok(latency(sim, 11000) < 320, `${latency(sim, 11000)}`);
});

test('one picture a second: the newest is on the screen', () => {
  const sim = simulate({ fps: 1, gop: 1, phase: 1, seconds: 30 });
  assert.ok(latency(sim, 8000) < 250, `${latency(sim, 8000)}`);
});

test('one picture in ten seconds: the first one is shown while the second is awaited', () => {
  const sim = simulate({ fps: 0.1, gop: 10, phase: 0.4, seconds: 60 });
  assert.ok(sim.log[0].why === 'preview' && sim.log[0].at < 1000, JSON.stringify(sim.log[0]));
  assert.equal(sim.log.filter(a => a.rebuild).length, 0);
});

test('a chunk a second plays smoothly, one or two chunks behind', () => {
  const edge = simulate({ fps: 1, gop: 1, phase: 1, seconds: 40, delay: () => 1000 });
  assert.ok(edge.waits.filter(t => t > 10000).length <= 2, `${edge.waits}`);
  assert.ok(count(edge, 'behind') <= 1);
});

test('hidden: nothing is presented, and nothing is done about it', () => {
  const sim = simulate({ fps: 30, seconds: 20, each: s => (s.hidden = s.now > 5000 && s.now < 15000) });
  assert.equal(count(sim, 'stuck'), 0);
});

test('back from a hidden tab it seeks to the edge and plays', () => {
  const edge = new LiveEdge({ chunk: 1 / 30 });
  const view = { time: 100, rate: 1, paused: true, seeking: false, ranges: [[100, 101]] };
  edge.append(0, { ...view, ranges: [] });
  assert.equal(edge.appended(0, view).why, 'start');
  const advice = edge.foreground(20000, { ...view, ranges: [[100, 120]] });
  assert.ok(advice.play && Math.abs(advice.seek - 120) < 0.1, JSON.stringify(advice));
});

test('a stuck decoder gets seeks, then a new MediaSource', () => {
  const sim = simulate({ fps: 30, seconds: 15, each: s => (s.frozen = s.now > 4000) });
  const stuck = sim.log.filter(a => a.why === 'stuck');
  assert.ok(stuck[0].at - 4000 < 2000 && stuck[0].seek !== undefined, JSON.stringify(stuck[0]));
  assert.ok(stuck.slice(0, 3).every(a => !a.rebuild) && stuck[3].rebuild, JSON.stringify(stuck));
});

test('a pause is respected', () => {
  const sim = simulate({ fps: 30, seconds: 12, each: s => s.now === 5000 && (s.paused = true) });
  assert.deepEqual(sim.log.filter(a => a.at > 5000 && (a.play || a.seek !== undefined)), []);
});

test('what was played is removed', () => {
  const sim = simulate({ fps: 30, seconds: 60 });
  assert.ok(sim.view().time - sim.ranges[0][0] <= 20.1, `${sim.view().time - sim.ranges[0][0]}`);
  assert.ok(count(sim, 'trim') >= 3);
});

test('half a second in hand rides out silences of 400 ms, and stays half a second', () => {
  const next = random(3);
  const sim = simulate({ fps: 30, seconds: 60, target: 0.5, delay: () => 5 + 400 * next() ** 8 });
  assert.deepEqual(sim.waits, []);
  // What is in hand when the next chunk comes: 45 ms are needed anyway, and the chunk itself.
  const late = [5, 15, 30, 45].map(from => latency(sim, 1000 * from, 1000 * from + 10000));
  assert.ok(late.every(ms => ms > 500 && ms < 700), `${late}`);
});

test('what is wanted in hand is there before playback starts, and the first picture is shown meanwhile', () => {
  const sim = simulate({ fps: 30, seconds: 10, target: 3, phase: 0.5 });
  const [{ why, at: previewed }, start] = sim.log;
  assert.deepEqual([why, start.why, count(sim, 'start'), sim.waits], ['preview', 'start', 1, []]);
  assert.ok(previewed <= 500 && start.at > 2400 && start.at < 2700, `${previewed}, ${start.at}`);
  assert.ok(Math.abs(latency(sim, 5000) - 3080) < 60, `${latency(sim, 5000)}`);
});

/** The choice is another one, in between. */
const choose = choices => sim => {
  if (sim.now in choices) sim.follow(sim.edge.retarget(sim.now, sim.view(), choices[sim.now]));
};

test('another choice is a seek where the media is there, and nothing stands still', () => {
  const sim = simulate({ fps: 30, seconds: 20, each: choose({ 6000: 1, 13000: 0 }) });
  assert.deepEqual([count(sim, 'target'), sim.log.some(({ pause }) => pause), sim.waits.filter(t => t > 1000)], [2, false, []]);
  const [low, more, again] = [[3000, 6000], [7000, 13000], [15000, 20000]].map(([from, to]) => latency(sim, from, to));
  assert.ok(Math.abs(more - low - 1000) < 60 && Math.abs(again - low) < 30, `${low}, ${more}, ${again} ms`);
});

test('where it is not there yet, playback waits for it', () => {
  const sim = simulate({ fps: 30, seconds: 20, each: choose({ 1000: 5 }) });
  assert.deepEqual(sim.log.filter(({ why }) => why === 'target').map(({ pause }) => pause), [true]);
  assert.equal(count(sim, 'start'), 2);
  assert.ok(Math.abs(latency(sim, 10000) - 5080) < 60, `${latency(sim, 10000)}`);
  assert.equal(sim.paused, false);
});

test('a source whose clock is slow uses up what is in hand: it is made good, at 4 % less', () => {
  const sim = simulate({ fps: 30, seconds: 60, target: 0.5, each: sim => { if (sim.now > 5000 && sim.now < 15000 && !sim.paused) sim.time += 0.00003; } });
  assert.ok(sim.rates.has(0.96) && Math.min(...sim.rates) === 0.96, `${[...sim.rates]}`);
  assert.deepEqual(sim.waits, []);
  assert.ok(latency(sim, 45000) > 500, `${latency(sim, 45000)}`);
});

test('with sound: that much more than the 250 ms', () => {
  const sim = simulate({ fps: 30, seconds: 20, audio: true, target: 1 });
  assert.deepEqual([...sim.rates], [1]);
  assert.ok(Math.abs(latency(sim, 5000) - 1280) < 60, `${latency(sim, 5000)}`);
});

test('what was lost by a seek is there again a second later, with sound too, and where a change of the rate is a seek', () => {
  for (const how of [{}, { audio: true }, { costly: true }]) {
    const sim = simulate({ fps: 30, seconds: 20, target: 1, ...how, each: sim => { if (sim.now === 8000) sim.time = sim.ranges.at(-1)[1] - 0.07; } });
    assert.equal(count(sim, 'target'), 1, JSON.stringify(how));
    assert.ok(latency(sim, 11000) > 1000, `${latency(sim, 11000)}`);
  }
});
