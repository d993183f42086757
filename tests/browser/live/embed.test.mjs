// The player in pages of other people: plain, React and Vue, under a strict policy, from another server; and as the npm package, which is
// the very file that the server gives.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import esbuild from 'esbuild';
import { engines } from '../lib/browsers.mjs';
import { joined } from '../../../player/join.mjs';
import { inside, prepare } from '../lib/face.mjs';
import { stats } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const npm = path.resolve(import.meta.dirname, '../../../player');
const bench = new Bench();
let server;
let site;
const scripts = new Map();

before(async () => {
  server = await Server.start(bench, ['cam', 'yard'], ['--on-eof', 'reopen', '--cors', '*']);
  server.feed('cam', { size: '320x180' });
  server.feed('yard', { size: '160x120', rate: '15' });
  await server.live('cam');
  await server.live('yard');
  execFileSync(process.execPath, [path.join(npm, 'build.mjs')]);
  // As an install does, so that package.json decides what is found.
  fs.mkdirSync(path.join(bench.dir, 'node_modules'));
  fs.symlinkSync(npm, path.join(bench.dir, 'node_modules/h5live'));
  for (const name of ['react', 'vue']) scripts.set(`/${name}.js`, await bundle(name));
  site = http.createServer(answer);
  await new Promise(resolve => site.listen(0, '127.0.0.1', resolve));
});
after(() => {
  site?.close();
  return bench.close();
});

/** Programs as people write them. Each shows a player of `?src=`, and what it said of itself last. */
const PROGRAMS = {
  react: `
    import { createElement as h, useEffect, useRef, useState } from 'react';
    import { createRoot } from 'react-dom/client';
    import 'h5live';
    function App() {
      const [name, setName] = useState('cam');
      const [muted, setMuted] = useState(true);
      const [state, setState] = useState('');
      const player = useRef(null);
      useEffect(() => { window.player = player.current; window.setMuted = setMuted; window.setName = setName; }, []);
      return h('main', {}, h('h5-live', { ref: player, src: SERVER + name, muted, transport: 'mse', onstatechange: event => setState(event.detail.state) }), h('p', {}, state));
    }
    createRoot(document.querySelector('#app')).render(h(App));`,
  vue: `
    import { createApp, h, onMounted, ref } from 'vue';
    import 'h5live';
    createApp({
      setup() {
        const [name, muted, state, player] = [ref('cam'), ref(true), ref(''), ref(null)];
        onMounted(() => { window.player = player.value; window.setMuted = value => (muted.value = value); window.setName = value => (name.value = value); });
        return () => h('main', {}, [h('h5-live', { ref: player, src: SERVER + name.value, muted: muted.value, transport: 'mse', onStatechange: event => (state.value = event.detail.state) }), h('p', {}, state.value)]);
      },
    }).mount('#app');`,
};

async function bundle(name) {
  const { outputFiles } = await esbuild.build({
    stdin: { contents: PROGRAMS[name], resolveDir: import.meta.dirname },
    bundle: true, write: false, format: 'esm', minify: true, logLevel: 'error',
    nodePaths: [path.join(bench.dir, 'node_modules')],
    define: { 'process.env.NODE_ENV': '"production"', SERVER: JSON.stringify(server.url()), __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
  });
  return outputFiles[0].text;
}

/** The site: a page for each program, and the plain one, which has the snippet that our own page shows. */
function answer(request, response) {
  const script = scripts.get(request.url);
  if (script) return response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(script);
  const name = request.url.slice(1);
  const from = server.url().slice(0, -1);
  const policy = `default-src 'none'; script-src 'self' ${from}; connect-src ${from} ${from.replace('http', 'ws')}; media-src blob:; img-src blob: data:; require-trusted-types-for 'script'`;
  const body = name === 'plain' ? `<script type="module" src="${from}/h5live.js"></script>\n<h5-live src="cam" muted></h5-live>` : `<div id="app"></div><script type="module" src="/${name}.js"></script>`;
  response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': policy }).end(`<!doctype html><html lang="en"><title>${name}</title><link rel="icon" href="data:,"><body>${body}`);
}

const become = (page, wanted) => until(wanted, async () => (await stats(page)).state === wanted, 15000);

for (const { name, open } of engines) {
  test(name, async t => {
    const { page, errors, close } = await open();
    t.after(close);
    page.direct?.();
    await prepare(page);
    const visit = async at => {
      await page.goto(`http://127.0.0.1:${site.address().port}/${at}`);
      await become(page, 'playing');
    };

    await t.test('in a plain page, under a strict policy with Trusted Types', async () => {
      await visit('plain');
      assert.equal((await stats(page)).width, 320);
      assert.equal((await inside(page, 'snapshot')).width, 320);
      assert.deepEqual(await page.evaluate(() => window.refused), []);
    });

    await t.test('attributes and properties say the same', async () => {
      const said = await page.evaluate(() => {
        const player = document.querySelector('h5-live');
        player.transport = 'webcodecs';
        player.muted = false;
        const said = [player.getAttribute('transport'), player.hasAttribute('muted')];
        player.setAttribute('muted', '');
        player.removeAttribute('transport');
        return [...said, player.muted, player.transport];
      });
      assert.deepEqual(said, ['webcodecs', false, true, 'auto']);
    });

    await t.test('stop, play and pause; controls="none" is the bare picture; parts can be styled', async () => {
      await page.evaluate(() => document.querySelector('h5-live').stop());
      await become(page, 'idle');
      await page.evaluate(() => document.querySelector('h5-live').play());
      await become(page, 'playing');
      await page.evaluate(() => document.querySelector('h5-live').setAttribute('controls', 'none'));
      for (const part of ['.badge', '.bar', '.pill']) assert.equal(await inside(page, 'shown', part), false, part);
      await page.evaluate(() => document.querySelector('h5-live').removeAttribute('controls'));
      const colour = await page.evaluate(() => {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync('h5-live::part(badge) { color: rgb(1, 2, 3); }');
        document.adoptedStyleSheets = [sheet];
        return getComputedStyle(document.querySelector('h5-live').shadowRoot.querySelector('.badge')).color;
      });
      assert.equal(colour, 'rgb(1, 2, 3)');
    });

    await t.test('keys are the player\'s only when it is meant', async () => {
      await page.evaluate(() => document.activeElement.blur());
      await page.keyboard.press('k');
      assert.equal((await stats(page)).state, 'playing', 'the page has its own keys');
      await page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('.root').focus());
      await page.keyboard.press('k');
      await become(page, 'paused');
      await page.keyboard.press('k');
      await become(page, 'playing');
      await page.evaluate(() => document.querySelector('h5-live').setAttribute('keys', 'none'));
      await page.keyboard.press('k');
      assert.equal((await stats(page)).state, 'playing');
    });

    for (const kit of ['react', 'vue']) {
      await t.test(`in ${kit}, from the npm package`, async () => {
        await visit(kit);
        await until('the event', () => page.evaluate(() => document.querySelector('p').textContent === 'playing'));
        assert.deepEqual(await page.evaluate(() => [window.player.muted, window.player.transport]), [true, 'mse']);
        await page.evaluate(() => window.setName('yard'));
        await until('the other stream', async () => (await stats(page)).width === 160 && (await stats(page)).state === 'playing', 15000);
        await page.evaluate(() => window.setMuted(false));
        await until('unmuted', () => page.evaluate(() => window.player.muted === false));
        await become(page, 'playing');
        assert.equal((await inside(page, 'snapshot')).height, 120);
        assert.deepEqual(await page.evaluate(() => window.refused), []);
      });
    }

    await t.test('nothing goes wrong', () => {
      // Firefox complains of connections that end because the page is left.
      const left = /interrupted while the page was loading|establish a connection to the server at ws:/;
      assert.deepEqual(errors.filter(error => !left.test(error)), []);
    });
  });
}

test('the package has the very files that the server gives', async () => {
  for (const name of ['h5live.js', 'h5live-sound.js']) {
    const served = Buffer.from(await (await fetch(server.url(name))).arrayBuffer());
    assert.ok(served.equals(fs.readFileSync(path.join(npm, name))), name);
  }
  assert.equal(fs.readFileSync(path.join(npm, 'h5live.js'), 'utf8'), joined());
});

test('npm packs them, and nothing else', () => {
  const cache = path.join(bench.dir, 'npm');
  const [{ name, version, files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--cache', cache], { cwd: npm, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  assert.equal(name, 'h5live');
  const cargo = fs.readFileSync(path.join(npm, '../Cargo.toml'), 'utf8');
  assert.deepEqual([version, JSON.parse(fs.readFileSync(path.join(npm, 'package.json'))).license], [/^version = "(.*)"/m.exec(cargo)[1], /^license = "(.*)"/m.exec(cargo)[1]]);
  assert.deepEqual(files.map(file => file.path).sort(), ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'h5live-sound.js', 'h5live.d.ts', 'h5live.js', 'package.json', 'react.d.ts']);
});
