// What was recorded, as other players have it: a playlist of ranges of the files; and the list of them as a page.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { faults } from '../lib/face.mjs';
import { players, playersPage, playing } from '../lib/hls.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
const shown = await playersPage();
let server, span;

const recorded = async () => (await fetch(server.url('cam/rec.json'))).json();

before(async () => {
  const dir = path.join(bench.dir, 'recordings');
  fs.mkdirSync(dir);
  server = await Server.start(bench, ['cam'], ['--on-eof', 'reopen', '--record', dir, '--record-segment', '4s', '--cors', shown.origin]);
  server.feed('cam', { size: '320x240', rate: '15' });
  await server.live();
  span = await until('twelve seconds are recorded', async () => {
    const [one] = (await recorded()).spans;
    return one && Date.parse(one.to) - Date.parse(one.from) > 12000 && one;
  }, 60000);
});
after(async () => {
  shown.close();
  await bench.close();
});

for (const { name, open } of browsers) {
  test(name, async t => {
    const { page, close, errors } = await open();
    t.after(close);

    await t.test('a playlist of three files and more plays to its end', async () => {
      const to = new Date(Date.parse(span.from) + 11000).toISOString();
      await page.goto(shown.url(server.url(`cam/rec/index.m3u8?from=${span.from}&to=${to}`)));
      for (const player of players) {
        let now;
        const isThrough = async () => {
          now = (await playing(page))[player.replace('.', '')] ?? (await playing(page))[player];
          return now && now.time > 9 && now.pictures > 100;
        };
        await until(`${player} has played it`, isThrough, 45000).catch(async error => {
          assert.fail(`${error.message}: ${JSON.stringify(now)} ${await page.evaluate(() => window.faults.join('; '))}`);
        });
      }
    });

    await t.test('the list', async () => {
      // The page before has no icon.
      const before = errors.length;
      await page.goto(server.url('cam/rec/'));
      const day = await until('the day', () => page.evaluate(() => document.querySelector('.files a')?.textContent));
      assert.match(day, /^\d{4}-\d\d-\d\d$/);
      await page.goto(server.url(`cam/rec/${day}/`));
      const { text, time, link } = await until('the files', () => page.evaluate(() => {
        const [first] = document.querySelectorAll('.files tbody tr');
        const time = first?.querySelector('time');
        return time && !time.textContent.includes('UTC') && { text: first.textContent, time: time.dateTime, link: first.querySelector('a').href };
      }));
      assert.match(text, /\d+:\d\d:\d\d/);
      const file = await fetch(link, { headers: { range: 'bytes=4-7' } });
      assert.deepEqual([file.status, await file.text()], [206, 'ftyp']);
      assert.ok(Math.abs(Date.parse(time) - Date.parse(span.from)) < 60000, `${time} ${span.from}`);
      assert.deepEqual(await faults(page), []);
      if (process.env.H5LIVE_SHOTS) await page.screenshot({ path: path.join(process.env.H5LIVE_SHOTS, `recordings-${name}.png`) });
      assert.deepEqual(errors.slice(before), []);
    });
  });
}
