// The player in the audio thread, on a simulated clock: packets of 20 ms come, blocks of 128 samples go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Gaps, Player } from '../src/h5live-sound.js';
import { random } from './simulation.mjs';

const RATE = 48000;
const TONE = 440;
const packet = (n, rate = RATE) => {
  const size = rate / 50;
  return { rate, planes: [Float32Array.from({ length: size }, (_, i) => Math.sin((2 * Math.PI * TONE * (n * size + i)) / rate))] };
};

/** Plays; `late` says by how many ms packet n is late, null: it is lost. `speed`: how much faster than ours the sender's clock is. `burst`: so many blocks go at once. */
function play(seconds, { late = () => 0, speed = 1, rate = RATE, burst = 1 } = {}) {
  const player = new Player(RATE);
  const packets = [];
  for (let n = 0; n * 20 < seconds * 1000 * speed; n++) if (late(n) !== null) packets.push({ at: (n + 1) * 20 / speed + late(n), n });
  const sound = [];
  const held = [];
  const underruns = [];
  for (let block = 0; (block * 128) / RATE < seconds; block++) {
    const now = (Math.floor(block / burst) * burst * 128000) / RATE;
    while (packets.length && packets[0].at <= now) player.push(packet(packets.shift().n, rate));
    const outputs = [new Float32Array(128), new Float32Array(128)];
    player.pull(outputs);
    sound.push(...outputs[0]);
    assert.deepEqual(outputs[0], outputs[1], 'one channel is played on both');
    held.push(player.held);
    underruns.push(player.underruns);
  }
  return { player, sound, held, underruns };
}

const last = list => list[list.length - 1];
const largest = sound => sound.reduce((most, s) => Math.max(most, s), 0);
const steepest = sound => sound.slice(1).reduce((most, s, i) => Math.max(most, Math.abs(s - sound[i])), 0);

test('an even stream: the very samples, in hand no more than a packet and a few milliseconds', () => {
  const { player, sound, held } = play(10);
  assert.equal(player.underruns, 0);
  assert.ok(largest(held.slice(1000)) < 0.03, `${largest(held.slice(1000))}`);
  // A full tone without a click: no step is steeper than that of the tone itself.
  const calm = sound.slice(RATE);
  assert.ok(largest(calm) > 0.99 && steepest(calm) < 1.01 * 2 * Math.PI * TONE / RATE, `${steepest(calm)}`);
});

test('a burst at the start is not kept as delay', () => {
  const { held } = play(6, { late: n => (n < 50 ? (50 - n) * 20 - 19 : 0) });
  assert.ok(held[Math.round(4 * RATE / 128)] < 0.12, `${held[Math.round(4 * RATE / 128)]}`);
});

test('a jittery network: so much is kept as it needs, then it is almost quiet', () => {
  const next = random(7);
  const { underruns, held } = play(40, { late: () => next() * 120 });
  const late = last(underruns) - underruns[Math.round(20 * RATE / 128)];
  assert.ok(late <= 2, `${late} underruns in the second half`);
  assert.ok(last(held) < 0.35, `${last(held)}`);
});

test('an output that takes blocks in bursts, and packets that are a little late: no underrun once that is known, and no more in hand than that takes', () => {
  const next = random(3);
  const { player, held, underruns } = play(60, { late: n => (n < 1500 ? next() * 30 : 0), burst: 8 });
  assert.equal(player.underruns, underruns[Math.round(2 * RATE / 128)]);
  const largestFrom = (from, to) => largest(held.slice(from * RATE / 128, to * RATE / 128));
  assert.ok(largestFrom(5, 30) < 0.09 && largestFrom(55, 60) < 0.055, `${largestFrom(5, 30)}, ${largestFrom(55, 60)}`);
});

test('a network that was bad is trusted again after a while', () => {
  const { player } = play(120, { late: n => (n < 500 && n % 50 === 0 ? 150 : 0) });
  assert.ok(player.target < 0.09, `${player.target}`);
});

for (const speed of [1.0005, 0.9995]) {
  test(`a sender whose clock is ${speed > 1 ? 'fast' : 'slow'}: no underrun, no growing delay`, () => {
    const { player, held } = play(200, { speed });
    assert.equal(player.underruns, 0);
    assert.ok(last(held) < 0.15, `${last(held)}`);
  });
}

test('another rate than that of the output keeps its pitch', () => {
  const { sound, player } = play(5, { rate: 44100 });
  const calm = sound.slice(2 * RATE, 4 * RATE);
  const crossings = calm.filter((s, i) => i && calm[i - 1] < 0 && s >= 0).length;
  assert.ok(Math.abs(crossings - 2 * TONE) <= 2, `${crossings / 2} Hz`);
  assert.equal(player.underruns, 0);
});

test('ten seconds of nothing: silence without a click, then as before', () => {
  const { player, sound, held } = play(25, { late: n => (n >= 250 && n < 750 ? null : 0) });
  assert.ok(sound.slice(6 * RATE, 14 * RATE).every(s => s === 0));
  assert.ok(steepest(sound.slice(15.5 * RATE)) < 0.1);
  assert.ok(last(held) < 0.15 && player.underruns === 1, `${last(held)}, ${player.underruns}`);
});

test('it says which time of the media is heard, and holds as much as the pictures need', () => {
  const player = new Player(RATE);
  const outputs = [new Float32Array(128), new Float32Array(128)];
  assert.equal(player.heard, null);
  const run = (from, to) => {
    for (let n = from; n < to; n++) {
      player.push({ ...packet(n), time: 100 + n / 50 });
      for (let block = 0; block < 7 + (n % 2); block++) player.pull(outputs);
    }
  };
  const end = n => 100 + n / 50;
  run(0, 50);
  assert.ok(Math.abs(end(50) - player.held - player.heard) < 1e-9, `${player.heard}`);
  const inHand = n => end(n) - player.heard;
  const before = inHand(50);
  player.wait(0.1);
  assert.ok(player.waits && Math.abs(inHand(50) - before - 0.1) < 0.001, `${inHand(50)}, before ${before}`);
  run(50, 100);
  assert.ok(Math.abs(inHand(100) - before - 0.1) < 0.005, `${inHand(100)}`);
  player.wait(-0.2);
  assert.equal(player.waits, false);
  run(100, 150);
  assert.ok(Math.abs(inHand(150) - before) < 0.005, `${inHand(150)}`);
});

test('an output that had nothing to play in time is noticed, one that rested or whose clock is not ours is not', () => {
  const count = (seconds, wall) => {
    const gaps = new Gaps();
    for (let time = 0; time < seconds; time += 128 / RATE) gaps.look(Math.floor(wall(time)), time);
    return gaps.count;
  };
  assert.equal(count(60, time => 1e12 + 1000.2 * time), 0);
  // Blocks go four at a time.
  assert.equal(count(60, time => 1e12 + 1000 * (Math.floor(time / 0.0107) * 0.0107)), 0);
  assert.equal(count(60, time => 1e12 + 1000 * time + (time > 20 ? 12 : 0) + (time > 40 ? 30 : 0)), 2);
  assert.equal(count(60, time => 1e12 + 1000 * time + (time > 20 ? 5000 : 0)), 0);
});
