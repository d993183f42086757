// Makes the pictures of the pages in docs/ again: node tests/browser/screenshots.mjs [FOLDER]
// They are the test picture's, as small as pngquant gets them (which is left out where it is not installed).
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from './lib/browsers.mjs';
import { stats } from './lib/page.mjs';
import { Bench, Server, sleep, until } from './lib/programs.mjs';

const folder = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, '../../docs'));
const bench = new Bench();
const server = await Server.start(bench, ['door', 'yard', 'garage'], ['--on-eof', 'reopen']);
server.feed('door', { size: '1280x720' });
server.feed('yard', { size: '640x360', rate: '15' });
await server.live('door');
await server.live('yard');

const look = async page => {
  await page.mouse.move(300, 300);
  await page.mouse.move(310, 310);
};
/** The start is over, and a busy machine has a quiet moment; it may not have one. */
const settle = page => until('a quiet moment', async () => {
  const { state, latency } = await stats(page);
  return state === 'playing' && latency !== null && latency < 120;
}, 30000).catch(error => console.warn(error.message));
const PICTURES = [
  ['page', 'door', { size: [1000, 640] }],
  ['player-dark', 'door', { size: [1000, 640], dark: true }],
  ['player-stats', 'door', { size: [1000, 640], dark: true }, async page => {
    await page.click('h5-live', { position: { x: 300, y: 300 } });
    await page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('[part~=stats-button]').click());
    await page.evaluate(() => document.activeElement.blur());
    await sleep(12000);
  }],
  ['player-grid', '', { size: [1000, 640] }],
  ['player-grid-phone', '', { size: [390, 780], phone: true, dark: true }],
  ['player-phone', 'door', { size: [390, 780], phone: true, language: 'zh-CN' }, async page => {
    await page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('[part~=stats-button]').click());
    await page.evaluate(() => document.activeElement.blur());
    await sleep(12000);
  }],
  ['player-offline', 'door', { size: [1000, 640] }, async page => {
    await server.kill();
    await until('some patience', () => page.evaluate(() => /in [3-9] s/.test(document.querySelector('h5-live').shadowRoot.querySelector('.note').innerText)), 30000);
  }],
];

for (const [name, at, options, prepare] of PICTURES) {
  const { page, close } = await chromium(options);
  await page.goto(server.url(at));
  await settle(page);
  await prepare?.(page);
  if (name !== 'player-offline') await settle(page);
  if (!options.phone && name !== 'player-offline') await look(page);
  await sleep(300);
  const file = path.join(folder, `${name}.png`);
  await page.screenshot({ path: file, scale: 'css' });
  await close();
  spawnSync('pngquant', ['--force', '--skip-if-larger', '--speed', '1', '--output', file, '96', file]);
  console.log(`${file}: ${fs.statSync(file).size} bytes`);
}
await bench.close();
