// HTTPS with a certificate of the server's own, by a name that is not this machine's: a secure context, and WebCodecs.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { chromium, firefox } from '../lib/browsers.mjs';
import { stats } from '../lib/page.mjs';
import { Bench, freePort, until } from '../lib/programs.mjs';

const bench = new Bench();
let port;

before(async () => {
  port = await freePort();
  const input = bench.fifo('cam.in');
  const tls = `--tls-self-signed=${path.join(bench.dir, 'state')}`;
  bench.start('h5serve', ['--listen', `127.0.0.1:${port}`, tls, '--host', 'cam.test', '--on-eof', 'reopen', `cam=${input}`]);
  bench.pipeline([['h5cap', 'test', '--size', '320x240'], ['h5enc'], ['h5mux']], input);
  await until('it listens', () => bench.log('h5serve').includes(`https://127.0.0.1:${port}/`));
});
after(() => bench.close());

for (const [name, open] of [
  ['Chromium', () => chromium({ args: ['--host-resolver-rules=MAP cam.test 127.0.0.1'], more: { ignoreHTTPSErrors: true } })],
  ['Firefox', () => firefox({ prefs: { 'network.dns.localDomains': 'cam.test' }, more: { acceptInsecureCerts: true } })],
]) {
  test(name, async t => {
    const { page, close } = await open();
    t.after(close);
    // By plain HTTP, as it is typed.
    await page.goto(`http://cam.test:${port}/cam`);
    await until('it plays', async () => (await stats(page)).state === 'playing', 20000);
    const { transport, why } = await stats(page);
    assert.deepEqual({ transport, why, address: page.url() }, { transport: 'WebCodecs', why: 'best here', address: `https://cam.test:${port}/cam` });
    assert.ok(await page.evaluate(() => isSecureContext));
    assert.equal(await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol), 'h2');
    const { pictures } = await stats(page);
    await until('it goes on', async () => (await stats(page)).pictures > pictures + 10);
  });
}
