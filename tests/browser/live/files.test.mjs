// HLS as files, which nginx shows as docs/hls.md has it: the players that sites use play them, and go on when h5mux is started again.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { browsers } from '../lib/browsers.mjs';
import { players, playersPage, playing } from '../lib/hls.mjs';
import { Bench, freePort, until } from '../lib/programs.mjs';

const bench = new Bench();
const folder = path.join(bench.dir, 'www', 'yard');
let site;
let url;
let camera;

function start() {
  const mux = ['h5mux', '--hls', folder, '--segment', '1', '--hls-window', '8'];
  camera = bench.pipeline([['h5cap', 'test', '--size', '320x240', '--rate', '15'], ['h5enc'], mux], '/dev/null');
}

before(async () => {
  site = await playersPage();
  const port = await freePort();
  const page = fs.readFileSync(path.join(import.meta.dirname, '../../../docs/hls.md'), 'utf8');
  const [types, cors] = [/`(types \{[^`]*\})`/, /`(add_header [^`]*;)`/].map(line => line.exec(page)[1]);
  fs.mkdirSync(path.join(bench.dir, 'www'));
  fs.writeFileSync(path.join(bench.dir, 'nginx.conf'), `
    daemon off; master_process off; pid nginx.pid; error_log stderr crit; events {}
    http {
      access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
      server { listen 127.0.0.1:${port}; root ${bench.dir}/www; ${types} ${cors} }
    }`);
  const nginx = ['/usr/sbin/nginx'].find(file => fs.existsSync(file)) ?? execFileSync('sh', ['-c', 'command -v nginx'], { encoding: 'utf8' }).trim();
  bench.start(nginx, ['-e', 'stderr', '-p', bench.dir, '-c', path.join(bench.dir, 'nginx.conf')]);
  start();
  url = `http://127.0.0.1:${port}/yard/index.m3u8`;
  await until('the files', () => fetch(url).then(answer => answer.ok, () => false), 30000);
});
after(async () => {
  site?.close();
  await bench.close();
});

/** All players of a page show new pictures. */
async function goOn(name, page, what) {
  const before = await playing(page);
  const ids = Object.keys(before);
  let now = before;
  // A source of media that is made anew counts from zero.
  const shows = id => now[id].pictures > (now[id].pictures < before[id].pictures ? 0 : before[id].pictures) + 15 && now[id].state >= 2;
  const begun = Date.now();
  await until(`${name}: after ${what} all play`, async () => {
    now = await playing(page);
    return ids.every(shows);
  }, 60000)
    .catch(async error => { throw new Error(`${error.message}: ${JSON.stringify({ before, now, faults: await page.evaluate(() => window.faults.slice(-10)) })}`); });
  console.log(`${name}, after ${what}: all play within ${Date.now() - begun} ms`);
}

test('the players of others play files', async t => {
  const pages = await Promise.all(browsers.map(async ({ name, open }) => ({ name, ...(await open()) })));
  t.after(() => Promise.all(pages.map(({ close }) => close())));
  for (const { name, page } of pages) {
    await page.goto(site.url(url, players));
    await goOn(name, page, 'the start');
  }
  // The last of them first: with its input the stream would end.
  for (const process of camera.toReversed()) {
    process.kill('SIGTERM');
    await process.ended;
  }
  start();
  const list = async () => Number(/MEDIA-SEQUENCE:(\d+)/.exec(await (await fetch(url.replace('index', 'video'))).text())[1]);
  const before = await list();
  await until('the second run', async () => await list() > before, 30000);
  await Promise.all(pages.map(({ name, page }) => goOn(name, page, 'another run')));
});
