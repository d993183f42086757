// Things that stand still: a network, and the computer that the browser runs on.
import { execFileSync, spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { ports } from './player.mjs';

/** A TCP relay whose cable can be pulled: connections stay, nothing gets through. */
export class Relay {
  #pairs = new Set();
  #still = false;

  static async start(port) {
    const relay = new Relay();
    relay.server = net.createServer(near => relay.#join(near, net.connect(port, '127.0.0.1')));
    await new Promise(resolve => relay.server.listen(0, '127.0.0.1', resolve));
    relay.port = relay.server.address().port;
    ports.add(relay.port);
    return relay;
  }

  #join(near, far) {
    const pair = [near, far];
    this.#pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.setNoDelay(true);
      from.on('data', data => to.write(data) || from.pause());
      to.on('drain', () => this.#still || from.resume());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        this.#pairs.delete(pair);
      });
      if (this.#still) from.pause();
    }
  }

  freeze() {
    this.#still = true;
    for (const socket of [...this.#pairs].flat()) socket.pause();
  }

  thaw() {
    this.#still = false;
    for (const socket of [...this.#pairs].flat()) socket.resume();
  }

  close() {
    for (const socket of [...this.#pairs].flat()) socket.destroy();
    this.server.close();
  }
}

/** A relay that carries no more than so much from the server. */
export class NarrowRelay {
  static async start(port) {
    const relay = new NarrowRelay();
    relay.process = spawn('python3', [path.join(import.meta.dirname, 'narrow.py'), String(port)], { stdio: ['pipe', 'pipe', 'inherit'] });
    relay.port = await new Promise((resolve, reject) => {
      relay.process.on('error', reject).on('exit', code => reject(new Error(`narrow.py ended with ${code}`)));
      relay.process.stdout.once('data', line => resolve(Number(line)));
    });
    ports.add(relay.port);
    return relay;
  }

  /** @param {number} rate bytes a second from now on; 0: all that comes */
  carry(rate) {
    this.process.stdin.write(`${rate}\n`);
  }

  close() {
    this.process.kill();
  }
}

/** Sends a signal to a process and to all that it started, and they in turn. */
export function signalTree(pid, signal) {
  const parents = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n').map(line => line.trim().split(/\s+/).map(Number));
  const tree = [pid];
  for (const each of tree) tree.push(...parents.filter(([, parent]) => parent === each).map(([child]) => child));
  for (const each of tree) {
    try {
      process.kill(each, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}
