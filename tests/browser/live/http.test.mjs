// `/NAME.mp4` in a plain <video>, and the player where no WebSocket gets through.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { stats, video } from '../lib/page.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;
let proxy;
/** A server whose pages those of the proxy may show in a frame. */
let framed;

before(async () => {
  server = await Server.start(bench);
  server.feed();
  await server.live();
  proxy = await proxyWithoutWebSocket(server.port);
  framed = await Server.start(bench, ['framed'], ['--on-eof', 'reopen', '--embed', `http://127.0.0.1:${proxy.address().port}`]);
  framed.feed('framed');
  await framed.live('framed');
});
after(async () => {
  proxy?.closeAllConnections();
  proxy?.close();
  await bench.close();
});

/** Passes requests on, and upgrades never: Node leaves Upgrade aside where nobody listens for it. */
function proxyWithoutWebSocket(port) {
  const relay = http.createServer((request, response) => {
    const { upgrade, connection, ...headers } = request.headers;
    const onward = http.request({ port, host: '127.0.0.1', path: request.url, method: request.method, headers }, answer => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end();
  });
  return new Promise(resolve => relay.listen(0, '127.0.0.1', () => resolve(relay)));
}

for (const { name, open } of engines) {
  test(name, async t => {
    const browser = await open();
    const { page } = browser;
    t.after(() => browser.close());

    await t.test('NAME.mp4 plays in a plain <video>', async () => {
      await page.goto(server.url('api/streams'));
      await page.evaluate(() => {
        const v = document.body.appendChild(document.createElement('video'));
        v.muted = true;
        v.src = '/cam.mp4';
        v.play();
      });
      const time = () => page.evaluate(() => document.querySelector('video').currentTime);
      const start = await until('time advances', time);
      await sleep(3000);
      assert.ok((await time()) - start > 1.5);
      assert.equal(await page.evaluate(() => document.querySelector('video').error), null);
    });

    await t.test('the player falls back to it', async () => {
      await page.goto(`http://127.0.0.1:${proxy.address().port}/cam`);
      await until('playing', async () => (await stats(page)).state === 'playing', 20000);
      assert.equal((await stats(page)).transport, 'MP4');
      const [a] = [await video(page), await sleep(3000)];
      assert.ok((await video(page)).time - a.time > 1.5);
    });

    // With the working tree's files the page is not the server's own, and has none of its headers.
    const skip = Boolean(process.env.H5LIVE_TREE);
    await t.test('a page of another origin shows ours in a frame only where --embed names it', { skip }, async () => {
      await page.goto(`http://127.0.0.1:${proxy.address().port}/api/streams`);
      const show = address =>
        page.evaluate(
          src =>
            new Promise(resolve => {
              const frame = document.createElement('iframe');
              frame.onload = resolve;
              frame.src = src;
              document.body.append(frame);
            }),
          address,
        );
      const before = (await server.stream()).viewers;
      await show(server.url('cam'));
      await show(framed.url('framed'));
      await until('the one that is allowed plays', async () => (await framed.stream('framed')).viewers > 0, 20000);
      assert.equal((await server.stream()).viewers, before, 'the other one has loaded nothing');
    });
  });
}
