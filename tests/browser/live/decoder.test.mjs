// A decoder of WebCodecs that fails, in each way: the picture is late for a moment at most, the page says so, another transport takes over with the
// reason, and WebCodecs are taken again when the decoder has been left alone for a minute.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { engines } from '../lib/browsers.mjs';
import { overlay } from '../lib/overlay.mjs';
import { stats, watchClock } from '../lib/page.mjs';
import { Bench, Server, until } from '../lib/programs.mjs';
import { fault, sights, watchSights } from '../lib/trouble.mjs';

/** In the page before the player: decoders that do what `window.trouble` says, and a clock that a test can put forward. */
const TROUBLE = `window.trouble = new URLSearchParams(location.search).get('trouble') ?? '';
window.later = 0;
{
  const now = Date.now;
  Date.now = () => now() + window.later;
  const Decoder = VideoDecoder;
  window.VideoDecoder = class extends Decoder {
    constructor({ output, error }) {
      let pictures = 0;
      super({
        error,
        output: picture => {
          if (window.trouble === 'silence') return picture.close();
          output(picture);
          if (window.trouble !== 'error' || ++pictures < 100) return;
          this.close();
          error(new DOMException('decoding error', 'EncodingError'));
        },
      });
    }
    configure(config) {
      if (window.trouble === 'configure') throw new DOMException('no such configuration', 'NotSupportedError');
      super.configure(config);
    }
    static isConfigSupported(config) {
      if (window.trouble === 'unsupported' && config.codedWidth) return Promise.resolve({ supported: false, config });
      return Decoder.isConfigSupported(config);
    }
  };
}
`;
const bench = new Bench();
let server;
let front;

before(async () => {
  server = await Server.start(bench);
  server.feed('cam', { size: '320x240' });
  await server.live();
  front = await overlay(server.url(), TROUBLE);
});
after(async () => {
  front?.close();
  await bench.close();
});

const plays = (page, label, more = () => true) => until(`${label} plays`, async () => {
  const now = await stats(page);
  return now.state === 'playing' && now.transport === label && now.pictures > 5 && more(now);
}, 20000).catch(async error => assert.fail(`${error.message}: ${JSON.stringify(await stats(page))}`));

for (const { name, open } of engines) {
  test(name, async t => {
    const { page, close } = await open();
    t.after(close);
    page.direct?.();
    const visit = trouble => page.goto(`${front.url(server.url('cam'))}?trouble=${trouble}`);
    const trouble = what => page.evaluate(what => (window.trouble = what), what);

    await t.test('one that says no to this stream, and one that refuses it', async () => {
      for (const [what, why] of [['unsupported', /^WebCodecs: H\.264 is not played by this browser/], ['configure', /^WebCodecs: the browser cannot decode this: no such configuration/]]) {
        await visit(what);
        await plays(page, 'MSE');
        assert.match((await stats(page)).why, why);
      }
    });

    await t.test('a minute later WebCodecs are taken again', async () => {
      await trouble('');
      await page.evaluate(() => (window.later = 61_000));
      await plays(page, 'WebCodecs', now => now.why === 'best here');
    });

    await t.test('an error after a hundred pictures: it goes on', async () => {
      await watchClock(page);
      await watchSights(page);
      await trouble('error');
      const { resyncs, pictures } = await until('the error', async () => {
        const now = await stats(page);
        return now.resyncs >= 1 && now;
      }, 60000);
      await trouble('');
      await until('more pictures', async () => (await stats(page)).pictures > pictures + 30, 20000);
      const seen = await sights(page);
      t.diagnostic(`${name}: resyncs ${resyncs}, at most ${seen.ages.max} ms late, still for ${seen.stood} ms at most`);
      assert.equal(fault(seen), '');
      assert.deepEqual(seen.transports, ['WebCodecs']);
    });

    await t.test('one that swallows its pictures in silence gives way, and has another try', async () => {
      await sights(page);
      await trouble('silence');
      await plays(page, 'MSE');
      const { why } = await stats(page);
      const seen = await sights(page);
      t.diagnostic(`${name}: at most ${seen.ages.max} ms late, older than a second for ${seen.late} ms`);
      assert.equal(why, 'WebCodecs: the browser cannot decode this: no picture comes out');
      assert.equal(fault(seen), '');
      assert.ok(seen.states.includes('stalled'), `${seen.states}`);
      await trouble('');
      // It is the second time in this tab: that is two minutes.
      await page.evaluate(() => (window.later += 121_000));
      await plays(page, 'WebCodecs', now => now.why === 'best here');
    });
  });
}
