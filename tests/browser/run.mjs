// All tests of the player: the pure parts in node, then the real programs in real browsers.
//
//   node run.mjs             everything
//   node run.mjs WORD…       the files whose names contain one of the words
//
// H5LIVE_BIN    directory of h5cap, h5enc, h5mux, h5serve; target/release or target/debug, whichever is newer
// CHROMIUM, FIREFOX   the browsers, where they are not found by their usual names
// H5LIVE_TREE   if set, pages get the player of the working tree in place of the one built into h5serve
// H5LIVE_SHOTS  a directory for pictures of the pages
// VIDEO_RTC_JS  go2rtc's www/video-rtc.js, to run its own player beside our imitation of it
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const here = import.meta.dirname;
const words = process.argv.slice(2);
const tests = ['unit', 'live'].flatMap(dir => fs.readdirSync(path.join(here, dir)).filter(f => f.endsWith('.test.mjs')).map(f => path.join(here, dir, f)));
const wanted = tests.filter(test => words.length === 0 || words.some(word => test.includes(word)));
if (wanted.length === 0) {
  console.error(`no test file has ${words.join(' or ')} in its name`);
  process.exit(2);
}
if (wanted.some(test => test.includes('live')) && !fs.existsSync(path.join(here, 'node_modules'))) {
  console.error(`the browser tests need a few packages: npm ci --prefix ${path.relative(process.cwd(), here) || '.'}`);
  process.exit(2);
}
// Two files at a time; but where times are measured, one after the other, with nothing beside it.
const timed = test => /(latency|play|mjpeg|recovery)\.test/.test(test);
const run = (files, atATime) => files.length === 0 || spawnSync(process.execPath, ['--test', `--test-concurrency=${atATime}`, '--test-reporter=spec', ...files], { stdio: 'inherit' }).status === 0;
const results = [run(wanted.filter(test => !timed(test)), 2), run(wanted.filter(timed), 1)];
process.exit(results.every(Boolean) ? 0 : 1);
