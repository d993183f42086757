// Where a stream can be started: intra refresh is played from a recovery point, and a stream without a keyframe says so on the page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { stats, useTransport } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;

const x264 = (params, ...rest) => [
  'ffmpeg', '-v', 'error', '-re', '-f', 'lavfi', '-i', 'testsrc2=s=320x240:r=25', '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency',
  '-x264-params', params, ...rest, '-',
];

before(async () => {
  server = await Server.start(bench, ['refresh', 'never'], ['--on-eof', 'exit']);
  bench.pipeline([x264('intra-refresh=1:keyint=25', '-flush_packets', '1', '-f', 'h264'), ['h5mux', '--live']], server.inputs.refresh);
  // P pictures alone, as of an encoder that was asked for one keyframe, long ago.
  const dropped = ['-bsf:v', "noise=drop='eq(n\\,0)'", '-movflags', '+frag_every_frame+empty_moov+default_base_moof', '-f', 'mp4'];
  bench.pipeline([x264('keyint=infinite:scenecut=0', ...dropped)], server.inputs.never);
  await until('both streams', async () => (await server.stream('refresh')).type && (await server.stream('never')).trouble, 30000);
  // The only IDR picture is gone.
  await until('a recovery point later', async () => (await server.stream('refresh')).fps > 20);
});
after(() => bench.close());

for (const { name, open } of engines) {
  test(name, async t => {
    const browser = await open();
    const { page } = browser;
    t.after(() => browser.close());

    for (const transport of ['mse', 'webcodecs']) {
      await t.test(`intra refresh by ${transport}`, async () => {
        await page.goto(server.url('refresh'));
        await until('the player', () => page.evaluate(() => Boolean(document.querySelector('h5-live')?.stats)));
        await useTransport(page, transport);
        const playing = async () => {
          const now = await stats(page);
          return now.state === 'playing' && now.transport.toLowerCase() === transport && now.pictures > 25;
        };
        await until('pictures', playing, 20000);
        assert.equal((await stats(page)).reconnects, 0);
      });
    }

    await t.test('no keyframe so far', async () => {
      await page.goto(server.url('never'));
      const told = () => page.evaluate(() => document.querySelector('h5-live')?.shadowRoot.querySelector('[part=message]:not([hidden])')?.textContent);
      const text = await until('the message', async () => ((await told()) ?? '').includes('keyframe') && told(), 20000);
      assert.match(text, /No keyframe so far; set the encoder's keyframe interval to 1 s/);
      assert.equal((await stats(page)).state, 'waiting');
    });
  });
}
