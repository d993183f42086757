// Things that stand still: a network, and the computer that the browser runs on.
import { execFileSync } from 'node:child_process';
import net from 'node:net';

/** A TCP relay whose cable can be pulled: connections stay, nothing gets through. */
export class Relay {
  #pairs = new Set();
  #still = false;

  static async start(port) {
    const relay = new Relay();
    relay.server = net.createServer(near => relay.#join(near, net.connect(port, '127.0.0.1')));
    await new Promise(resolve => relay.server.listen(0, '127.0.0.1', resolve));
    relay.port = relay.server.address().port;
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
