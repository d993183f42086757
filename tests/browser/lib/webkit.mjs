// WebKitGTK, the engine that Safari is built on too, by its WebDriver (W3C) over HTTP: the few verbs of a page that the tests use. It has no
// mode without a screen: each one is on an Xvfb.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { overlay } from './overlay.mjs';
import { freePort, until } from './programs.mjs';
import { Screen } from './screen.mjs';

/** A command that is not answered for so long never will be. */
const ANSWER_MS = 60000;

const find = (given, places) => given ?? places.find(file => fs.existsSync(file));
const onPath = name => (process.env.PATH ?? '').split(':').map(dir => path.join(dir, name));
const DRIVER = find(process.env.WEBKIT_DRIVER, onPath('WebKitWebDriver'));
const BROWSER = find(process.env.WEBKIT, ['/usr/lib', '/usr/libexec', '/usr/lib64'].flatMap(dir => [dir, ...folders(dir)]).flatMap(dir => ['4.1', '4.0', '6.0'].map(v => path.join(dir, `webkit2gtk-${v}`, 'MiniBrowser'))));

function folders(dir) {
  return fs.existsSync(dir) ? fs.readdirSync(dir, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(entry => path.join(dir, entry.name)) : [];
}

/** As `chromium` and `firefox` in browsers.mjs. It has a screen of its own, where none is given. */
export async function webkit({ size = [1000, 700], dark = false, screen: given } = {}) {
  if (!DRIVER || !BROWSER) throw new Error('no WebKitGTK found: install webkit2gtk-driver and xvfb, or set WEBKIT_DRIVER and WEBKIT');
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'h5live-webkit-'));
  const screen = given ?? (await Screen.open([Math.max(1280, size[0] + 80), Math.max(1024, size[1] + 160)]));
  const port = await freePort();
  // The sandbox wants namespaces, which a container has not; there is no graphics card.
  const env = {
    ...process.env, DISPLAY: screen.display, HOME: dir, XDG_RUNTIME_DIR: dir, XDG_DATA_HOME: dir, XDG_CACHE_HOME: dir, GTK_THEME: dark ? 'Adwaita:dark' : 'Adwaita', GDK_BACKEND: 'x11', NO_AT_BRIDGE: '1',
    WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', WEBKIT_DISABLE_DMABUF_RENDERER: '1', LIBGL_ALWAYS_SOFTWARE: '1',
  };
  const driver = spawn(DRIVER, [`--port=${port}`], { env, stdio: 'ignore', detached: true });
  const end = async () => {
    kill(driver);
    if (!given) screen.close();
    fs.rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
  };
  try {
    const page = new Page(port);
    await page.begin(size);
    const close = async () => {
      await page.ask('DELETE', '').catch(() => {});
      await page.overlay?.close();
      await end();
    };
    // What it asks for is not told by this protocol; what goes wrong is noted by a script of the overlay.
    return { page, requests: [], errors: [], pid: driver.pid, close };
  } catch (error) {
    await end();
    throw error;
  }
}

/** A process and all that it has started. */
function kill(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

/** A page, with the verbs that pages of playwright and puppeteer have in common. */
class Page {
  #port;
  #session = '';

  constructor(port) {
    this.#port = port;
    this.mouse = {
      move: (x, y) => this.#pointer([{ type: 'pointerMove', duration: 0, x: Math.round(x), y: Math.round(y) }]),
      click: (x, y) => this.#pointer([{ type: 'pointerMove', duration: 0, x: Math.round(x), y: Math.round(y) }, { type: 'pointerDown', button: 0 }, { type: 'pointerUp', button: 0 }]),
    };
    this.keyboard = { press: key => this.ask('POST', '/actions', { actions: [{ type: 'key', id: 'keys', actions: [{ type: 'keyDown', value: KEYS[key] ?? key }, { type: 'keyUp', value: KEYS[key] ?? key }] }] }) };
  }

  async begin([width, height]) {
    const capabilities = { alwaysMatch: { pageLoadStrategy: 'none', timeouts: { script: 120000 }, 'webkitgtk:browserOptions': { binary: BROWSER, args: ['--automation'] } } };
    await until('WebKitWebDriver listens', () => this.ask('GET', '/status').then(() => true, () => false));
    this.#session = `/session/${(await this.ask('POST', '/session', { capabilities })).sessionId}`;
    // The window's frame and bars are not the page.
    await this.ask('POST', '/window/rect', { x: 0, y: 0, width, height });
    const inner = await this.evaluate(() => [innerWidth, innerHeight]);
    await this.ask('POST', '/window/rect', { x: 0, y: 0, width: 2 * width - inner[0], height: 2 * height - inner[1] });
  }

  /** One command. */
  ask(method, at, body) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = text === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const request = http.request({ host: '127.0.0.1', port: this.#port, method, path: at === '/status' || at === '/session' ? at : this.#session + at, headers, agent: false }, async response => {
        let answer = '';
        for await (const piece of response) answer += piece;
        const { value } = JSON.parse(answer);
        if (value?.error) reject(new Error(`${method} ${at}: ${value.error}: ${value.message}`));
        else resolve(value);
      });
      request.setTimeout(ANSWER_MS, () => request.destroy(new Error(`${method} ${at}: no answer from WebKitWebDriver`)));
      request.on('error', reject).end(text);
    });
  }

  /** Waits until the document is there, not until all is loaded: a page with a live picture never is. */
  async goto(url) {
    this.overlay ??= await overlay(url);
    // The answer may come before the old document has gone, and that may be the same address.
    await this.evaluate(() => { window.leaving = true; }).catch(() => {});
    await this.ask('POST', '/url', { url: this.overlay.url(url) });
    const there = url => !window.leaving && location.href === url && document.readyState !== 'loading';
    await until(`${url} is there`, () => this.evaluate(there, this.overlay.url(url)).catch(() => false), 20000);
    if (this.prepared) await this.evaluate(this.prepared);
  }

  /** From now on no server is put in front of those that are visited. */
  direct() {
    this.overlay = { url: at => at, close() {} };
  }

  /** Runs a function there, or the lines of a script; what it gives, or promises, comes back as JSON. */
  async evaluate(what, value = null) {
    const run = typeof what === 'string' ? `() => { ${what} }` : what;
    const script = `const done = arguments[arguments.length - 1];
      Promise.resolve().then(() => (${run})(arguments[0])).then(value => done({ value: value === undefined ? null : value }), error => done({ error: String(error) }));`;
    const answer = await this.ask('POST', '/execute/async', { script, args: [value] });
    if (answer?.error) throw new Error(answer.error);
    return answer?.value;
  }

  async screenshot({ path: file } = {}) {
    const image = Buffer.from(await this.ask('GET', '/screenshot'), 'base64');
    if (file) fs.writeFileSync(file, image);
    return image;
  }

  /** A click into the middle of the first element that the selector finds. */
  async click(selector) {
    const [x, y] = await this.evaluate(selector => {
      const { left, top, width, height } = document.querySelector(selector).getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    }, selector);
    await this.mouse.click(x, y);
  }

  #pointer(actions) {
    return this.ask('POST', '/actions', { actions: [{ type: 'pointer', id: 'mouse', parameters: { pointerType: 'mouse' }, actions }] });
  }
}

/** Names of keys, and their code points in WebDriver. */
const KEYS = { End: '\uE010', ArrowDown: '\uE015', Tab: '\uE004', Enter: '\uE007', Escape: '\uE00C', Space: ' ' };
