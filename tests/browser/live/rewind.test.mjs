// What was before, in the player itself: the right moment by the picture's own clock, and back at what is live; over a restart of the server, and over a gap.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { faults } from '../lib/face.mjs';
import { playerIsThere, readClock, useTransport, watchClock } from '../lib/page.mjs';
import { Bench, Server, freePort, until } from '../lib/programs.mjs';

const bench = new Bench();
const MODULO = 2 ** 32;
let server;
let control;

before(async () => {
  const dir = path.join(bench.dir, 'recordings');
  fs.mkdirSync(dir);
  control = await freePort();
  server = await Server.start(bench, ['cam'], ['--on-eof', 'reopen', '--record', dir, '--record-segment', '4s', '--control', String(control)]);
  server.feed('cam', { size: '320x240' });
  await server.live();
  await recorded(7000);
  server.process.kill('SIGTERM');
  await server.process.ended;
  await new Promise(resolve => setTimeout(resolve, 3000));
  await server.run();
  server.feed('cam', { size: '320x240' });
  await server.live();
  await until('there are two spans', async () => (await spans()).length === 2, 30000);
  await recorded(9000);
});
after(() => bench.close());

/** What there is; nothing before the first fragment was written. */
async function spans() {
  const answer = await fetch(server.url('cam/rec.json'));
  const { spans } = answer.ok ? await answer.json() : { spans: [] };
  return spans.map(({ from, to }) => [Date.parse(from), Date.parse(to)]);
}
const recorded = ms => until(`${ms} ms are recorded`, async () => {
  const last = (await spans()).at(-1);
  return last && last[1] - last[0] > ms;
}, 60000);

/** The numbers of the pictures that were recorded between two times, as the clock in each says. */
async function recordedPictures(from, to) {
  const file = path.join(bench.dir, 'pictures.mp4');
  const answer = await fetch(server.url(`cam/clip.mp4?from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`));
  assert.equal(answer.status, 200, await (answer.ok ? '' : answer.text()));
  fs.writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
  // 36 × 2 blocks, 8 pixels high at this size: one pixel each.
  const filter = 'crop=in_w:16:0:0,scale=36:2:flags=area,format=gray';
  const pixels = execFileSync('ffmpeg', ['-v', 'error', '-i', file, '-an', '-fps_mode', 'passthrough', '-vf', filter, '-f', 'rawvideo', '-'], { maxBuffer: 2 ** 26 });
  const number = at => pixels.subarray(at, at + 32).reduce((sum, pixel) => 2 * sum + (pixel > 128 ? 1 : 0), 0);
  return Array.from({ length: pixels.length / 72 }, (_, i) => number(72 * i + 36));
}

/** How long after a moment the picture was captured, ms; the clock of the picture has 32 bits. */
const since = (time, moment) => ((((time - (moment % MODULO)) % MODULO) + 1.5 * MODULO) % MODULO) - MODULO / 2;

const call = (page, name, ...args) => page.evaluate(([name, args]) => document.querySelector('h5-live')[name](...args), [name, args]);

/** The first pictures on the screen after something was done: how long after the moment each was captured, and when it was seen, ms after it was done. */
async function pictures(page, moment, run, count = 10) {
  const at = await page.evaluate(() => {
    window.clock.length = 0;
    return performance.now();
  });
  await run();
  await until('pictures', () => page.evaluate(([moment, count, modulo]) => {
    const since = time => ((((time - (moment % modulo)) % modulo) + 1.5 * modulo) % modulo) - modulo / 2;
    return window.clock.filter(read => read && Math.abs(since(read.time)) < 2500).length >= count;
  }, [moment, count, MODULO]), 20000).catch(async error => {
    const seen = await page.evaluate(() => window.clock.filter(Boolean).slice(-5).map(({ time }) => time));
    const { state, reason } = await page.evaluate(() => document.querySelector('h5-live').stats);
    assert.fail(`${error.message}: ${seen.map(time => since(time, moment))} ${state} ${reason}`);
  });
  const readings = await page.evaluate(() => window.clock.filter(Boolean).map(({ time, at }) => ({ time, at })));
  return readings.map(read => ({ late: since(read.time, moment), after: read.at - at })).filter(({ late }) => Math.abs(late) < 2500);
}

for (const { name, open } of browsers) {
  for (const transport of ['webcodecs', 'mse']) {
    test(`${name}, ${transport}`, async t => {
      const { page, close, errors } = await open();
      t.after(close);
      await page.goto(server.url('cam'));
      await playerIsThere(page);
      if (transport === 'webcodecs' && !(await page.evaluate(() => Boolean(globalThis.VideoDecoder)))) return t.skip('no WebCodecs');
      await useTransport(page, transport);
      const stats = () => page.evaluate(() => document.querySelector('h5-live').stats);
      await until('it plays', async () => (await stats()).state === 'playing' && (await stats()).pictures > 30, 20000);
      await watchClock(page);
      const position = () => page.evaluate(() => document.querySelector('h5-live').position?.getTime() ?? null);

      await t.test('a moment', async () => {
        const wanted = Date.now() - 6000;
        const seen = await pictures(page, wanted, () => page.evaluate(at => document.querySelector('h5-live').rewind(new Date(at)), wanted));
        t.diagnostic(`the first picture: ${seen[0].late} ms from the moment, after ${Math.round(seen[0].after)} ms; the tenth: ${seen[9].late} ms, after ${Math.round(seen[9].after)} ms`);
        assert.ok(Math.abs(seen[0].late) < 500, `${seen[0].late} ms`);
        const off = (await position()) - wanted;
        assert.ok(off > -500 && off < 3000, `it says ${off} ms`);
        assert.equal((await stats()).latency, null);
        // A second of it takes a second.
        const more = await pictures(page, wanted + 1000, () => {}, 40);
        const [first, last] = [more[0], more.at(-1)];
        const rate = (last.late - first.late) / (last.after - first.after);
        assert.ok(rate > 0.85 && rate < 1.2, `at a rate of ${rate}`);
      });

      await t.test('thirty seconds ago, or the first there is', async () => {
        const all = await spans();
        const wanted = Date.now() - 30000;
        // Where there is nothing, it is what comes next.
        const moment = Math.max(wanted, all.find(([, end]) => end > wanted)[0]);
        const seen = await pictures(page, moment, () => call(page, 'rewind', 30));
        assert.ok(Math.abs(seen[0].late) < 500, `${seen[0].late} ms`);
      });

      await t.test('over the gap', async () => {
        const [[, end], [begin]] = await spans();
        await pictures(page, end - 700, () => page.evaluate(at => document.querySelector('h5-live').rewind(new Date(at)), end - 1000));
        const seen = await pictures(page, begin + 300, () => {});
        assert.ok(seen[0].after < 3500, `after ${seen[0].after} ms`);
      });

      await t.test('it stands still, and goes on picture by picture', async () => {
        const wanted = Date.now() - 5000;
        await pictures(page, wanted, () => page.evaluate(at => document.querySelector('h5-live').rewind(new Date(at)), wanted));
        await call(page, 'pause');
        await until('it stands still', async () => (await stats()).state === 'paused');
        const frame = () => page.evaluate(() => window.clock.filter(Boolean).at(-1)?.frame);
        const settled = async () => {
          for (let last = await frame(); ; ) {
            await new Promise(resolve => setTimeout(resolve, 400));
            const now = await frame();
            if (now === last) return now;
            last = now;
          }
        };
        let now = await settled();
        const visited = [now];
        for (const step of [1, 1, -1, -1, 3, -2, 1, 1]) {
          const before = await position();
          await call(page, 'step', step);
          await until(`a step of ${step}`, async () => Math.sign((await position()) - before) === Math.sign(step), 10000);
          now = await settled();
          visited.push(now);
        }
        // On a busy machine the encoder leaves pictures out: what was recorded says which is next.
        const all = await recordedPictures(wanted - 2000, wanted + 4000);
        const steps = visited.slice(1).map((frame, i) => all.indexOf(frame) - all.indexOf(visited[i]));
        t.diagnostic(`pictures ${visited} of ${all.length}, from ${all[0]} to ${all.at(-1)}`);
        assert.deepEqual(steps, [1, 1, -1, -1, 3, -2, 1, 1], `${visited} in ${all}`);
        await new Promise(resolve => setTimeout(resolve, 1000));
        assert.equal(await frame(), now, 'it stands');
        await call(page, 'play');
        await until('it goes on', async () => (await frame()) > now + 20, 10000);
        assert.equal((await stats()).state, 'playing');
      });

      await t.test('faster, slower, backwards', async () => {
        await call(page, 'play');
        for (const speed of [2, 0.5, -2]) {
          // Backwards not into the gap; there are keyframes alone, a second apart.
          const wanted = Date.now() - (speed < 0 ? 1500 : 6000);
          await pictures(page, wanted, () => page.evaluate(at => document.querySelector('h5-live').rewind(new Date(at)), wanted), 3);
          await call(page, 'speed', speed);
          await page.evaluate(() => (window.clock.length = 0));
          await new Promise(resolve => setTimeout(resolve, speed < 0 ? 4000 : 1700));
          const readings = await page.evaluate(() => window.clock.filter(Boolean).map(({ time, at }) => ({ time, at })));
          const late = readings.filter(({ at }) => at > readings[0].at + 500);
          const rate = (late.at(-1).time - late[0].time) / (late.at(-1).at - late[0].at);
          t.diagnostic(`asked for ${speed}: ${rate.toFixed(2)}`);
          assert.ok(Math.abs(rate / speed - 1) < (speed < 0 ? 0.6 : 0.4), `${rate}`);
          await call(page, 'speed', 1);
        }
      });

      await t.test('a connection that is lost: it goes on where it was', async () => {
        const wanted = Date.now() - 5000;
        await pictures(page, wanted, () => page.evaluate(at => document.querySelector('h5-live').rewind(new Date(at)), wanted));
        const { viewers } = await (await fetch(`http://127.0.0.1:${control}/stats`)).json();
        for (const { id } of viewers) await fetch(`http://127.0.0.1:${control}/kick`, { method: 'POST', body: String(id) });
        await until('it is back', async () => (await stats()).reconnects > 0 && (await stats()).state === 'playing' && (await position()) !== null, 10000);
        const ago = Date.now() - (await position());
        assert.ok(ago > 3500 && ago < 12000, `${ago} ms ago`);
        // What stood still stands still again, at the same picture.
        await call(page, 'pause');
        await until('it stands still', async () => (await stats()).state === 'paused');
        await new Promise(resolve => setTimeout(resolve, 500));
        const [at, { reconnects }] = [await position(), await stats()];
        const again = await (await fetch(`http://127.0.0.1:${control}/stats`)).json();
        for (const { id } of again.viewers) await fetch(`http://127.0.0.1:${control}/kick`, { method: 'POST', body: String(id) });
        await until('it is back, and stands', async () => (await stats()).reconnects > reconnects && (await stats()).state === 'paused', 10000);
        await new Promise(resolve => setTimeout(resolve, 1000));
        assert.ok(Math.abs((await position()) - at) < 100, `${(await position()) - at} ms from there`);
        assert.equal((await stats()).state, 'paused');
        await call(page, 'play');
        await until('it goes on', async () => (await position()) > at + 500, 10000);
      });

      await t.test('live', async () => {
        await call(page, 'live');
        const at = Date.now();
        await until('it is live', async () => (await readClock(page)).p50 < 400 && (await position()) === null, 10000);
        const took = Date.now() - at;
        t.diagnostic(`live after ${took} ms`);
        assert.ok(took < 1500, `${took} ms`);
        await until('the latency is known', async () => (await stats()).latency < 400, 5000);
        assert.deepEqual(errors, []);
      });
    });
  }
}

for (const { name, open } of browsers) {
  test(`${name}, the bar of the page`, async t => {
    const { page, close, errors } = await open();
    t.after(close);
    await page.goto(server.url('cam'));
    await playerIsThere(page);
    // A button says what it does next as soon as the player tells its state.
    const press = text => until(`a button ${text}`, () => page.evaluate(text => {
      const button = [...document.querySelectorAll('.rewind button')].find(button => (button.title || button.textContent).startsWith(text));
      button?.click();
      return Boolean(button);
    }, text));
    const earlier = () => page.evaluate(() => document.querySelectorAll('nav button')[1].click());
    const now = () => page.evaluate(() => {
      const live = document.querySelector('h5-live');
      return { ago: live.position ? Date.now() - live.position : null, state: live.state, says: document.querySelector('.rewind output')?.textContent, speed: document.querySelector('.rewind select')?.value };
    });
    await until('it plays', async () => (await now()).state === 'playing', 20000);
    await earlier();
    await until('the bar', async () => (await now()).says === 'LIVE');
    assert.deepEqual(await faults(page), []);
    await press('10 s back');
    await until('ten seconds ago', async () => (await now()).ago > 9000 && (await now()).ago < 13000, 10000);
    await until('it says so', async () => /\d:\d\d/.test((await now()).says));
    // By keys, as nothing else has the focus.
    await page.keyboard.press('ArrowRight');
    await until('ten seconds on', async () => (await now()).ago < 4000, 10000);
    await page.keyboard.press('ArrowLeft');
    await until('and back', async () => (await now()).ago > 9000, 10000);
    await page.keyboard.press(',');
    await until('it stands', async () => (await now()).state === 'paused');
    await press('Play');
    await until('it goes on', async () => (await now()).state === 'playing', 10000);
    await page.keyboard.press('>');
    await until('faster', async () => (await now()).speed === '2', 10000);
    assert.deepEqual(await faults(page), []);
    await press('Go live');
    await until('live', async () => (await now()).ago === null && (await now()).says === 'LIVE', 10000);
    // What is live stands still as what was before does.
    await press('Pause');
    await until('it stands, a moment ago', async () => (await now()).state === 'paused' && (await now()).ago > 0, 10000);
    await earlier();
    await until('closed, and live', async () => (await now()).says === undefined && (await now()).ago === null && (await now()).state === 'playing', 10000);
    assert.deepEqual(errors, []);
  });
}
