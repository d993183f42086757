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
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const here = import.meta.dirname;
const words = process.argv.slice(2);
const folders = { unit: path.join(here, '../../player/test'), live: path.join(here, 'live') };
const tests = Object.entries(folders).flatMap(([kind, dir]) => fs.readdirSync(dir).filter(f => f.endsWith('.test.mjs')).map(f => ({ name: `${kind}/${f}`, file: path.join(dir, f) })));
const named = tests.filter(({ name }) => words.length === 0 || words.some(word => name.includes(word)));
if (named.length === 0) {
  console.error(`no test file has ${words.join(' or ')} in its name`);
  process.exit(2);
}
if (named.some(({ name }) => name.startsWith('live/')) && !fs.existsSync(path.join(here, 'node_modules'))) {
  console.error(`the browser tests need a few packages: npm ci --prefix ${path.relative(process.cwd(), here) || '.'}`);
  process.exit(2);
}
// The longest first, so that none of them is left for the end. The others as they come.
const LONGEST = ['recovery', 'access', 'orientation', 'clock', 'page', 'face', 'transports', 'play', 'decoder', 'mjpeg', 'report'];
// A file waits for more than half of its time: for a network that stands still, for a page that gives up. Five run on four processors.
const AT_ONCE = Math.ceil(1.25 * os.availableParallelism());
/** What measures how late the picture is, and makes processors slow on purpose: beside others it would measure those. */
const BY_ITSELF = ['latency', 'trouble', 'buffer', 'lips', 'hls'];

/** What is run in one process: each file with browsers, and all without. */
const jobs = named.filter(({ name }) => name.startsWith('live/')).map(({ name, file }) => ({ name: path.basename(name, '.test.mjs'), files: [file] }));
const rank = ({ name }) => (LONGEST.includes(name) ? LONGEST.indexOf(name) : LONGEST.length);
jobs.sort((a, b) => rank(a) - rank(b));
const units = named.filter(({ name }) => name.startsWith('unit/')).map(({ file }) => file);
if (units.length > 0) jobs.push({ name: 'unit', files: units });

/** Runs a job, and shows what it says when it is over. Whether all passed. */
async function run({ name, files }) {
  const begun = Date.now();
  const child = spawn(process.execPath, ['--test', '--test-timeout=600000', '--test-reporter=spec', ...files], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', piece => said.push(piece));
  const code = await new Promise(resolve => child.on('close', resolve));
  process.stdout.write(`-- ${name}\n${Buffer.concat(said)}`);
  times.push(`${name.padEnd(12)} ${((Date.now() - begun) / 1000).toFixed(0).padStart(4)} s${code === 0 ? '' : '  FAILED'}`);
  return code === 0;
}

/** Runs jobs, so many at a time; gives those that failed. */
async function runAll(jobs, atOnce) {
  const [waiting, failed] = [[...jobs], []];
  const work = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) if (!(await run(job))) failed.push(job);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return failed;
}

const times = [];
// What fails beside others is run once more, by itself, and must pass then. Both are told.
const measures = ({ name }) => BY_ITSELF.includes(name);
const failed = [...(await runAll(jobs.filter(job => !measures(job)), AT_ONCE)), ...(await runAll(jobs.filter(measures), 1))];
if (failed.length > 0) console.log(`again, by itself: ${failed.map(({ name }) => name).join(' ')}`);
const still = await runAll(failed, 1);
console.log(`-- ${AT_ONCE} files at a time\n${times.join('\n')}`);
const flaky = failed.filter(job => !still.includes(job)).map(({ name }) => `${name}.test.mjs`);
if (flaky.length > 0) console.log(`flaky: ${flaky.join(' ')}`);
if (process.env.FLAKY) fs.appendFileSync(process.env.FLAKY, flaky.map(name => `${name}\n`).join(''));
process.exit(still.length === 0 ? 0 : 1);
