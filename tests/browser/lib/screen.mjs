// A screen without a monitor (Xvfb), and what is really on it: the clock in the picture is read from the X server's pixels. No page is asked, so nothing that it
// shows is made late by the asking.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { sleep } from './programs.mjs';

const READER = path.join(import.meta.dirname, 'screen.py');
/** The picture is shown so many pixels wide, whatever its size: the clock's columns are then wide enough to be read. */
const WIDTH = 720;

export class Screen {
  /** An X server on a display that is free. */
  static async open([width, height]) {
    const screen = new this();
    screen.process = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', `${width}x${height}x24`, '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], detached: true });
    const number = await new Promise((resolve, reject) => {
      let text = '';
      screen.process.on('error', error => reject(new Error(`Xvfb: ${error.message}; install xvfb`)));
      screen.process.on('exit', code => reject(new Error(`Xvfb ended with ${code}`)));
      screen.process.stdio[3].on('data', data => (text += data).includes('\n') && resolve(text.trim()));
    });
    screen.display = `:${number}`;
    return screen;
  }

  close() {
    this.process.kill('SIGKILL');
  }

  /**
   * What is on the screen in so many ms, of a picture of this size that `putInCorner` has placed.
   * @returns {Promise<{p50: number, p95: number, seen: number, pictures: number, torn: number}>} ms from capture to screen, the part of the pictures that were
   *   sent in that time, and how many were on it; looks that found no whole picture
   */
  async read([width], time) {
    const row = (Math.max(8, Math.floor(width / 36)) * WIDTH) / width;
    const reader = spawn('python3', [READER, this.display, String(WIDTH), String(row)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = [];
    createInterface({ input: reader.stdout }).on('line', line => lines.push(line));
    await sleep(time);
    reader.kill();
    const whole = lines.filter(line => line !== '-').map(line => line.split(' ').map(Number));
    // How long the first one has been there is not known.
    const pictures = whole.slice(1);
    const latencies = pictures.map(([seen, captured]) => seen - captured).sort((a, b) => a - b);
    const frames = pictures.map(([, , frame]) => frame);
    return {
      p50: latencies[latencies.length >> 1] ?? NaN,
      p95: latencies[Math.floor(latencies.length * 0.95)] ?? NaN,
      seen: new Set(frames).size / (1 + Math.max(...frames) - Math.min(...frames)),
      pictures: frames.length,
      torn: lines.length - whole.length,
    };
  }
}

/** Puts the element's picture, of this size, into the corner of its window, with nothing over it. */
export const putInCorner = (page, selector, [width, height]) => page.evaluate(([selector, width, height]) => {
  const corner = `position: fixed !important; left: 0 !important; top: 0 !important; right: auto !important; bottom: auto !important; width: ${width}px !important; height: ${height}px !important; max-width: none !important; max-height: none !important; margin: 0 !important; border: 0 !important; border-radius: 0 !important; z-index: 2147483647 !important; object-fit: fill !important;`;
  const host = document.querySelector(selector);
  host.style.cssText = corner;
  document.documentElement.style.cssText = 'overflow: hidden';
  if (!host.shadowRoot) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`[part~=video], [part~=image], [part~=canvas] { ${corner} }`);
  host.shadowRoot.adoptedStyleSheets = [...host.shadowRoot.adoptedStyleSheets, sheet];
}, [selector, WIDTH, Math.round((height * WIDTH) / width)]);
