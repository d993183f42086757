// Chromium, Firefox and WebKitGTK without a screen, with the same few verbs.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium as playwright } from 'playwright-core';
import puppeteer from 'puppeteer-core';
import { serveTree } from './player.mjs';
import { webkit } from './webkit.mjs';

const first = (given, ...names) => given ?? names.flatMap(name => (process.env.PATH ?? '').split(':').map(dir => path.join(dir, name))).find(file => fs.existsSync(file));
const CHROMIUM = first(process.env.CHROMIUM, 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable');
const FIREFOX = first(process.env.FIREFOX, 'firefox-esr', 'firefox');

const CHROMIUM_ARGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
// A page that did not come over the network has no address, and may then not ask a local server.
if (process.env.H5LIVE_TREE) CHROMIUM_ARGS.push('--disable-features=LocalNetworkAccessChecks');
const FIREFOX_PREFS = {
  'media.autoplay.default': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'app.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'media.gmp-manager.updateEnabled': false,
  'media.gmp-gmpopenh264.enabled': false,
};

/** Each as `{name, open()}`; `open` gives `{page, requests, errors, close()}`. */
export const browsers = [{ name: 'Chromium', open: chromium }, { name: 'Firefox', open: firefox }];

/** With the third engine, in which a page can be seen, asked and clicked at, and no more. */
export const engines = [...browsers, { name: 'WebKit', open: webkit }];

export { webkit };

/** The same as processes, `pid`, with pages of puppeteer, which can be hidden behind others. */
export const tabbed = [{ name: 'Chromium', open: tabbedChromium }, { name: 'Firefox', open: firefox }];

/** @param {object} [options] `phone`: a touch screen of so many pixels; `language` as in `zh-CN`; `screen`: that of screen.mjs; `more`: of playwright */
export async function chromium({ args = [], size = [1000, 700], dark = false, phone = false, language = 'en-US', screen, more = {} } = {}) {
  if (!CHROMIUM) throw new Error('no Chromium found; set CHROMIUM to its path');
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'h5live-chromium-'));
  const context = await playwright.launchPersistentContext(profile, {
    executablePath: CHROMIUM, headless: true, chromiumSandbox: false, args: [...CHROMIUM_ARGS, ...args],
    viewport: { width: size[0], height: size[1] }, colorScheme: dark ? 'dark' : 'light', locale: language,
    ...(phone && { hasTouch: true, isMobile: true, deviceScaleFactor: 2 }), ...on(screen), ...more,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const close = async () => {
    await context.close();
    fs.rmSync(profile, { recursive: true, force: true });
  };
  return { ...(await listen(page)), context, close };
}

/** @param {object} [options] `screen`: that of screen.mjs; `more`: of puppeteer */
export async function firefox({ prefs = {}, size = [1000, 700], dark = false, language = 'en-US', screen, more = {} } = {}) {
  const look = { 'layout.css.prefers-color-scheme.content-override': dark ? 0 : 1, 'intl.accept_languages': language };
  if (!FIREFOX) throw new Error('no Firefox found; set FIREFOX to its path');
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath: FIREFOX, headless: true, extraPrefsFirefox: { ...FIREFOX_PREFS, ...look, ...prefs }, ...on(screen), ...more });
  const page = await browser.newPage();
  await page.setViewport({ width: size[0], height: size[1] });
  return { ...(await listen(page)), pid: browser.process().pid, close: () => browser.close() };
}

/** What lets a browser be seen. */
const on = screen => screen && { headless: false, env: { ...process.env, DISPLAY: screen.display, MOZ_ENABLE_WAYLAND: '0' } };

/** Chromium whose tabs are hidden when another one is in front: playwright makes all of them believe to be seen. */
async function tabbedChromium() {
  if (!CHROMIUM) throw new Error('no Chromium found; set CHROMIUM to its path');
  const throttled = ['--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding'];
  const browser = await puppeteer.launch({ executablePath: CHROMIUM, headless: true, args: [...CHROMIUM_ARGS], ignoreDefaultArgs: throttled });
  const [page] = await browser.pages();
  return { ...(await listen(page)), pid: browser.process().pid, close: () => browser.close() };
}

/** What the page asks for and what it complains of; in the page, `firstPicture` is the time of the first picture, ms after navigation. */
async function listen(page) {
  const watch = () => addEventListener('statechange', e => { if (e.detail.state === 'playing') window.firstPicture ??= performance.now(); }, true);
  if (process.env.H5LIVE_TREE) await serveTree(page);
  await (page.addInitScript ? page.addInitScript(watch) : page.evaluateOnNewDocument(watch));
  const requests = [];
  const errors = [];
  page.on('request', request => requests.push(request.url()));
  page.on('pageerror', error => errors.push(error.message));
  page.on('console', message => message.type() === 'error' && errors.push(message.text()));
  return { page, requests, errors };
}
