// All tests of the player: the pure parts in node, then the real programs in real browsers.
//
//   node run.mjs             everything
//   node run.mjs WORD…       the files whose names contain one of the words
//
// H5LIVE_BIN    directory of h5cap, h5enc, h5mux, h5serve; target/release or target/debug, whichever is newer
// CHROMIUM, FIREFOX   the browsers, where they are not found by their usual names
// H5LIVE_TREE   if set, pages get the player of the working tree in place of the one built into h5serve
// H5LIVE_SHOTS  a directory for pictures of the pages
// FLAKY         a file to which the names of test files are added that passed only at a second try
// VIDEO_RTC_JS  go2rtc's www/video-rtc.js, to run its own player beside our imitation of it
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const here = import.meta.dirname;
const words = process.argv.slice(2);
const folders = { unit: path.join(here, '../../player/test'), live: path.join(here, 'live') };
const tests = Object.entries(folders).flatMap(([kind, dir]) => fs.readdirSync(dir).filter(f => f.endsWith('.test.mjs')).map(f => ({ name: `${kind}/${f}`, file: path.join(dir, f) })));
const named = tests.filter(({ name }) => words.length === 0 || words.some(word => name.includes(word)));
const wanted = named.map(({ file }) => file);
if (wanted.length === 0) {
  console.error(`no test file has ${words.join(' or ')} in its name`);
  process.exit(2);
}
if (named.some(({ name }) => name.startsWith('live/')) && !fs.existsSync(path.join(here, 'node_modules'))) {
  console.error(`the browser tests need a few packages: npm ci --prefix ${path.relative(process.cwd(), here) || '.'}`);
  process.exit(2);
}
// Two files at a time; but where times are measured, one after the other, with nothing beside it. What fails beside another is run once
// more, by itself, and must pass then: two browsers on two cores can come later than a test waits. Both are told.
const timed = test => /(latency|play|mjpeg|recovery)\.test/.test(test);
const list = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'h5live-browser-')), 'failed');
const reports = ['--test-reporter=spec', '--test-reporter-destination=stdout', `--test-reporter=${path.join(here, 'lib/failed.mjs')}`, `--test-reporter-destination=${list}`];
/** Runs test files; gives those in which something failed. */
const run = (files, atATime) => {
  if (files.length === 0) return [];
  const { status } = spawnSync(process.execPath, ['--test', '--test-timeout=600000', `--test-concurrency=${atATime}`, ...reports, ...files], { stdio: 'inherit' });
  const failed = new Set(fs.readFileSync(list, 'utf8').split('\n'));
  // A runner that died has not told all that failed.
  return status === 0 ? [] : files.filter(file => failed.size === 1 || status !== 1 || failed.has(file));
};
const failed = [...run(wanted.filter(test => !timed(test)), 2), ...run(wanted.filter(timed), 1)];
if (failed.length > 0) console.log(`again, by itself: ${failed.map(file => path.basename(file)).join(' ')}`);
const still = run(failed, 1);
const flaky = failed.filter(file => !still.includes(file)).map(file => path.basename(file));
if (flaky.length > 0) console.log(`flaky: ${flaky.join(' ')}`);
if (process.env.FLAKY) fs.appendFileSync(process.env.FLAKY, flaky.map(name => `${name}\n`).join(''));
fs.rmSync(path.dirname(list), { recursive: true });
process.exit(still.length === 0 ? 0 : 1);
