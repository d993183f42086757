// What breaks comes back, without a reload of the page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { readClock, stats, video, watchClock } from '../lib/page.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;
let stages;

before(async () => {
  server = await Server.start(bench);
  stages = server.feed();
  await server.live();
});
after(() => bench.close());

for (const { name, open } of browsers) {
  test(name, async t => {
    const browser = await open();
    const { page } = browser;
    t.after(() => browser.close());
    await page.goto(server.url('cam'));
    await until('the first picture', () => page.evaluate(() => window.firstPicture));
    await watchClock(page);
    await page.evaluate(() => (window.sameDocument = true));

    /** The pictures of the present advance again, late by no more than is usual. */
    const back = async () => {
      const { pictures } = await stats(page);
      await until('pictures', async () => (await stats(page)).pictures > pictures + 5, 15000);
      await readClock(page);
      let read;
      for (let window = 0; window < 5; window++) {
        await sleep(2000);
        read = await readClock(page);
        if (read.p50 < 300 && read.pictures > 30) break;
      }
      assert.ok(read.p50 < 300 && read.good > 0.8 && read.pictures > 30, JSON.stringify({ ...read, frames: read.frames.length }));
      assert.equal((await video(page)).error, null);
      assert.equal(await page.evaluate(() => window.sameDocument), true);
      return read;
    };

    await t.test('h5serve killed and started again', async () => {
      await server.kill();
      await until('the page says so', async () => (await stats(page)).state === 'reconnecting');
      assert.notEqual((await stats(page)).reason, '');
      await Promise.all(stages.map(stage => stage.ended));
      await server.run();
      stages = server.feed();
      await server.live();
      const since = Date.now();
      const { pictures } = await stats(page);
      await until('pictures', async () => (await stats(page)).pictures > pictures, 15000);
      t.diagnostic(`picture ${Date.now() - since} ms after the stream was live again`);
      await back();
      assert.ok((await stats(page)).reconnects >= 1);
    });

    for (const [i, stage] of ['h5cap', 'h5enc', 'h5mux'].entries()) {
      await t.test(`${stage} killed, its pipeline started again: the same connection plays on`, async () => {
        const { reconnects } = await stats(page);
        stages[i].kill('SIGKILL');
        await Promise.all(stages.map(s => s.ended));
        await until('the page says that no pictures come', async () => ['stalled', 'waiting'].includes((await stats(page)).state));
        stages = server.feed();
        await back();
        assert.equal((await stats(page)).reconnects, reconnects);
      });
    }

    await t.test('the next writer has another picture size', async () => {
      stages[0].kill('SIGTERM');
      await Promise.all(stages.map(s => s.ended));
      stages = server.feed('cam', { size: '1280x720' });
      await until('the new size', async () => (await video(page)).width === 1280, 20000);
      await back();
    });

    await t.test('a server that hangs for four seconds', async () => {
      server.process.kill('SIGSTOP');
      await sleep(4000);
      server.process.kill('SIGCONT');
      await back();
    });
  });
}
