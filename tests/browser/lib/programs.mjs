// The four programs as processes, joined by FIFOs, so that each one can be killed on its own.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { ports } from './player.mjs';

const root = path.resolve(import.meta.dirname, '../../..');

export function programs() {
  if (process.env.H5LIVE_BIN) return path.resolve(process.env.H5LIVE_BIN);
  const built = ['release', 'debug'].map(kind => path.join(root, 'target', kind)).filter(dir => fs.existsSync(path.join(dir, 'h5serve')));
  if (built.length === 0) throw new Error('the programs are not built: cargo build');
  const age = dir => fs.statSync(path.join(dir, 'h5serve')).mtimeMs;
  return built.sort((a, b) => age(b) - age(a))[0];
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Asks until the answer is truthy; throws after `limit` ms with what was waited for. */
export async function until(what, ask, limit = 10000) {
  const end = Date.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what}`);
    await sleep(50);
  }
}

/** For how many ms a processor had nothing to do since the machine was started, on average of all processors (proc_stat(5)). */
export function idleMs() {
  const lines = fs.readFileSync('/proc/stat', 'utf8').split('\n').filter(line => /^cpu\d/.test(line));
  const ticks = lines.map(line => line.trim().split(/\s+/).slice(4, 6).map(Number)).flat().reduce((a, b) => a + b, 0);
  // A tick is a hundredth of a second to programs, whatever the kernel counts in.
  return (10 * ticks) / lines.length;
}

/** From now on: what it gives tells in which part of the time since a processor had nothing to do. */
export function idlePart() {
  const [begun, idle] = [Date.now(), idleMs()];
  return () => (idleMs() - idle) / (Date.now() - begun);
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A directory, and the processes that work in it. All end with `close`. */
export class Bench {
  #running = new Set();

  constructor() {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'h5live-browser-'));
  }

  fifo(name) {
    const file = path.join(this.dir, name);
    if (!fs.existsSync(file)) execFileSync('mkfifo', [file]);
    return file;
  }

  /** Starts one program; the shell only opens the files and becomes the program. `clock`: the wall clock that it believes in. */
  start(name, args, { input = '/dev/null', output = '/dev/null', clock } = {}) {
    const program = name.startsWith('h5') ? path.join(programs(), name) : name;
    const log = fs.openSync(path.join(this.dir, `${path.basename(name)}.log`), 'a');
    const child = spawn('sh', ['-c', 'exec "$@" <"$0" >"$H5LIVE_OUT"', input, program, ...args], { stdio: ['ignore', 'ignore', log], env: { ...process.env, ...clock?.env, H5LIVE_OUT: output } });
    fs.closeSync(log);
    this.#running.add(child);
    child.ended = new Promise(resolve => child.on('exit', (code, signal) => { this.#running.delete(child); resolve({ code, signal }); }));
    return child;
  }

  /** `a | b | c > output`: each element is [program, …arguments]. */
  pipeline(stages, output, { clock } = {}) {
    const run = Math.random().toString(36).slice(2);
    return stages.map(([name, ...args], i) => this.start(name, args, {
      input: i === 0 ? '/dev/null' : this.fifo(`${run}.${i}`),
      output: i + 1 === stages.length ? output : this.fifo(`${run}.${i + 1}`),
      clock,
    }));
  }

  /** What a program said on stderr. */
  log(name) {
    const file = path.join(this.dir, `${name}.log`);
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  }

  async close() {
    const children = [...this.#running];
    for (const child of children) child.kill('SIGTERM');
    const patience = setTimeout(() => children.forEach(child => child.kill('SIGKILL')), 3000);
    await Promise.all(children.map(child => child.ended));
    clearTimeout(patience);
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

/** h5serve on a port of its own, with one FIFO for each stream. */
export class Server {
  static async start(bench, names = ['cam'], args = ['--on-eof', 'reopen'], { clock } = {}) {
    const server = new this();
    server.clock = clock;
    server.bench = bench;
    server.inputs = Object.fromEntries(names.map(name => [name, bench.fifo(`${name}.in`)]));
    server.port = await freePort();
    ports.add(server.port);
    server.args = args;
    await server.run();
    return server;
  }

  async run() {
    const inputs = Object.entries(this.inputs).map(([name, file]) => `${name}=${file}`);
    this.process = this.bench.start('h5serve', ['--listen', `127.0.0.1:${this.port}`, ...this.args, ...inputs], { clock: this.clock });
    await until(`h5serve listens: ${this.bench.log('h5serve')}`, () => fetch(this.url('api/streams')).then(r => r.ok, () => false));
  }

  url(at = '') {
    return `http://127.0.0.1:${this.port}/${at}`;
  }

  /** What the server says of one stream. */
  async stream(name = 'cam') {
    return (await (await fetch(this.url('api/streams'))).json())[name];
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.process.ended;
  }

  /** Feeds a stream from the test source. */
  feed(name = 'cam', { size = '640x360', rate = '30', clock } = {}) {
    return this.bench.pipeline([['h5cap', 'test', '--size', size, '--rate', rate], ['h5enc'], ['h5mux']], this.inputs[name], { clock });
  }

  /** Waits until a stream plays. */
  async live(name = 'cam') {
    await until(`${name} is live`, async () => (await this.stream(name))?.state === 'live', 20000);
  }
}
