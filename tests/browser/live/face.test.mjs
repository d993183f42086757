// The face of the player in both browsers: each key, labels, statistics, snapshots, what is shown when the server is away; pages without
// a serious finding of axe, in both languages.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium, engines } from '../lib/browsers.mjs';
import { faults, inside, prepare } from '../lib/face.mjs';
import { stats } from '../lib/page.mjs';
import { Bench, Server, sleep, until } from '../lib/programs.mjs';

const bench = new Bench();
let server;
let writers;

before(async () => {
  server = await Server.start(bench, ['cam', 'later']);
  writers = server.feed('cam', { size: '640x360' });
  await server.live('cam');
});
after(() => bench.close());

const state = async page => (await stats(page)).state;
const become = (page, wanted) => until(wanted, async () => (await state(page)) === wanted, 15000);
const press = (page, key) => page.keyboard.press(key);

/** A page that plays, in a browser that ends with the test. */
async function opened(t, open, options, at = 'cam') {
  const browser = await open(options);
  t.after(() => browser.close());
  await prepare(browser.page);
  await browser.page.goto(server.url(at));
  await become(browser.page, 'playing');
  return browser;
}

for (const { name, open } of engines) {
  test(name, async t => {
    const { page, requests, errors } = await opened(t, open);

    await t.test('space and k pause with the last picture, l goes live', async () => {
      for (const key of [' ', 'k']) {
        await press(page, key);
        await become(page, 'paused');
        assert.equal(await inside(page, 'shown', 'canvas[part=still]'), true, 'the picture stays');
        assert.match(await inside(page, 'text', '.badge'), /paused.*go live/i);
        await until('nobody watches', async () => (await server.stream()).viewers === 0);
        await sleep(500);
        assert.equal(await state(page), 'paused');
        await press(page, key === 'k' ? 'l' : key);
        await become(page, 'playing');
        assert.equal(await inside(page, 'shown', 'canvas[part=still]'), false);
        assert.match(await inside(page, 'text', '.badge'), /^live/i);
      }
    });

    await t.test('m is sound, arrows its volume, which is remembered', async () => {
      assert.equal(await inside(page, 'shown', '.pill'), true);
      await press(page, 'm');
      await until('sound', () => page.evaluate(() => !document.querySelector('h5-live').muted));
      assert.equal(await inside(page, 'shown', '.pill'), false, 'it is not offered again');
      for (let i = 0; i < 3; i++) await press(page, 'ArrowDown');
      assert.equal(await page.evaluate(() => document.querySelector('h5-live').volume), 0.7);
      assert.match(await inside(page, 'text', '.toast'), /70 %/);
      const heard = await page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('video').volume);
      assert.equal(heard, 0.7);
      await press(page, 'm');
      await page.goto(server.url('cam'));
      await become(page, 'playing');
      assert.equal(await page.evaluate(() => document.querySelector('h5-live').volume), 0.7);
      await page.evaluate(() => localStorage.clear());
    });

    await t.test('i opens the statistics, Escape closes them', async () => {
      await press(page, 'i');
      await until('numbers', async () => /Mbit|kbit/.test(await inside(page, 'text', '.stats')));
      const text = await inside(page, 'text', '.stats');
      for (const words of [/Statistics/, /\d ms/, /Transport/, /Why/, /avc1\./, /640 × 360, \d+\.\d fps/, /Frames dropped \d/, /Stalls \d/, /Reconnects \d/]) assert.match(text, words);
      await until('the course of the latency', () => page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('.stats .line').getAttribute('d')?.length > 20));
      assert.match(await inside(page, 'focus'), /close-button/);
      await press(page, 'Escape');
      assert.equal(await inside(page, 'shown', '.stats'), false);
    });

    await t.test('the statistics can be copied, on plain http too', async () => {
      await page.evaluate(() => void Object.defineProperty(navigator, 'clipboard', { value: undefined }));
      await press(page, 'i');
      await page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('[part~=copy-button]').click());
      // Both browsers copy only in a gesture, which a script's click is not: Firefox then says that it could not.
      const said = await until('an answer', async () => (await inside(page, 'text', '.toast')).match(/Copied|does not let/)?.[0]);
      const [copied] = await page.evaluate(() => window.copied);
      if (said === 'Copied') assert.deepEqual({ transport: JSON.parse(copied).transport, width: JSON.parse(copied).width }, { transport: 'WebCodecs', width: 640 });
      await press(page, 'Escape');
    });

    await t.test('another transport is chosen without a reload', async () => {
      const choose = value => page.evaluate(value => {
        const select = document.querySelector('h5-live').shadowRoot.querySelector('select');
        select.value = value;
        select.dispatchEvent(new Event('change'));
      }, value);
      await choose('webcodecs');
      await until('WebCodecs', async () => (await stats(page)).transport === 'WebCodecs' && (await state(page)) === 'playing', 15000);
      assert.deepEqual(await inside(page, 'snapshot'), { type: 'image/png', width: 640, height: 360, colours: (await inside(page, 'snapshot')).colours });
      assert.ok((await inside(page, 'snapshot')).colours >= 6, 'the bars of the test picture, from the canvas');
      await choose('mse');
      await until('MSE', async () => (await stats(page)).transport === 'MSE' && (await state(page)) === 'playing', 15000);
      await press(page, 'i');
      await until('its buffer', async () => /Buffer/.test(await inside(page, 'text', '.stats')));
      await press(page, 'Escape');
    });

    await t.test('behind, the badge is grey and offers to go live', async () => {
      await page.evaluate(() => (document.querySelector('h5-live').transport = 'mp4'));
      await until('MP4', async () => (await stats(page)).transport === 'MP4' && (await state(page)) === 'playing', 15000);
      // Nothing steers plain MP4: so much in the buffer stays there.
      await page.evaluate(() => {
        const video = document.querySelector('h5-live').shadowRoot.querySelector('video');
        Object.defineProperty(video, 'buffered', { configurable: true, value: { length: 1, start: () => 0, end: () => video.currentTime + 5 } });
      });
      await until('it says so', async () => /^behind.*go live$/i.test(await inside(page, 'text', '.badge')));
      await page.evaluate(() => {
        const { shadowRoot } = document.querySelector('h5-live');
        window.reopened = false;
        document.querySelector('h5-live').addEventListener('statechange', event => (window.reopened ||= event.detail.state === 'connecting'));
        shadowRoot.querySelector('.badge').click();
        delete shadowRoot.querySelector('video').buffered;
      });
      assert.equal(await page.evaluate(() => window.reopened), true);
      await page.evaluate(() => (document.querySelector('h5-live').transport = 'auto'));
      await until('live', async () => (await stats(page)).transport === 'WebCodecs' && (await state(page)) === 'playing' && /^live/i.test(await inside(page, 'text', '.badge')), 15000);
    });

    await t.test('s saves a snapshot of the full size', async () => {
      const shot = await inside(page, 'snapshot');
      const { width, height } = await stats(page);
      assert.deepEqual([shot.type, shot.width, shot.height], ['image/png', width, height]);
      assert.ok(shot.colours >= 6, `${shot.colours} colours`);
      await press(page, 's');
      const [file, address] = await until('a file', () => page.evaluate(() => window.downloads[0]));
      assert.match(file, /^cam-\d{4}-\d\d-\d\d-\d{6}\.png$/);
      assert.match(address, /^blob:/);
      assert.match(await inside(page, 'text', '.toast'), /Snapshot saved/);
    });

    await t.test('? lists every key', async () => {
      await press(page, '?');
      const text = await inside(page, 'text', '.help');
      for (const key of ['Space', 'K', 'L', 'M', 'F', 'P', 'S', 'I', '?']) assert.ok(text.includes(`${key} `), `${key} in ${text}`);
      await press(page, 'Escape');
      assert.equal(await inside(page, 'shown', '.help'), false);
    });

    await t.test('f is full screen, and back', async () => {
      await press(page, 'f');
      await until('full screen', () => page.evaluate(() => document.fullscreenElement?.localName === 'h5-live'));
      await press(page, 'f');
      await until('back', () => page.evaluate(() => document.fullscreenElement === null));
    });

    await t.test('p asks for picture in picture, where there is one', async () => {
      const has = await page.evaluate(() => {
        window.asked = 0;
        if (!HTMLVideoElement.prototype.requestPictureInPicture) return false;
        HTMLVideoElement.prototype.requestPictureInPicture = () => Promise.resolve(window.asked++);
        return true;
      });
      assert.equal((await stats(page)).transport, 'WebCodecs');
      await press(page, 'p');
      if (!has) return;
      // A canvas cannot go there: the stream comes by MSE until the <video> is back, and the picture stays all the while.
      await until('it is asked for', () => page.evaluate(() => window.asked === 1));
      const { transport, why } = await stats(page);
      assert.deepEqual([transport, why], ['MSE', 'WebCodecs: only a <video> can go there']);
      await page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('video').dispatchEvent(new Event('leavepictureinpicture')));
      await until('WebCodecs again', async () => (await stats(page)).transport === 'WebCodecs' && (await state(page)) === 'playing');
    });

    await t.test('the keyboard alone gets everywhere, and sees where it is', async () => {
      const seen = new Set();
      await page.evaluate(() => document.querySelector('.home').focus());
      for (let i = 0; i < 13; i++) {
        await press(page, 'Tab');
        const at = await page.evaluate(() => {
          const inner = document.activeElement?.shadowRoot?.activeElement ?? document.activeElement;
          const style = getComputedStyle(inner);
          const ring = style.outlineStyle !== 'none' || getComputedStyle(inner, '::after').borderTopStyle === 'solid';
          return { part: inner.getAttribute('part') ?? inner.className, ring: inner === document.body || ring };
        });
        assert.ok(at.ring, `${at.part} has no visible focus`);
        seen.add(at.part);
      }
      // Where there is no mouse there is no slider.
      if (await page.evaluate(() => matchMedia('(hover: none)').matches)) seen.add('volume');
      for (const part of ['quiet', 'root', 'badge', 'button play-button', 'button sound-button', 'volume', 'button snapshot-button', 'button stats-button', 'button full-button']) assert.ok(seen.has(part), `${part} in ${[...seen]}`);
    });

    await t.test('nothing is asked from elsewhere, the policy holds, nothing goes wrong', async () => {
      const ours = [server.url(), server.url().replace('http', 'ws')];
      assert.deepEqual(requests.filter(url => !ours.some(own => url.startsWith(own)) && !/^(blob|data|about):/.test(url)), []);
      assert.deepEqual(await page.evaluate(() => window.refused), []);
      assert.deepEqual([...errors, ...(await page.evaluate(() => window.faults ?? []))], []);
      const policy = (await fetch(server.url('cam'))).headers.get('content-security-policy');
      assert.match(policy, /default-src 'none'; script-src 'self' 'sha256-[^']+'; style-src 'self'/);
      assert.doesNotMatch(policy, /unsafe|\*/);
    });
  });
}

for (const dark of [false, true]) {
  for (const { name, open } of engines) {
    test(`${name}, ${dark ? 'dark' : 'light'}: axe finds nothing`, async t => {
      const { page } = await opened(t, open, { dark }, '');
      assert.equal(await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches), dark);
      assert.deepEqual(await faults(page), [], 'all streams');
      await page.goto(server.url('cam'));
      await become(page, 'playing');
      assert.deepEqual(await faults(page), [], 'one stream');
      for (const key of ['i', '?']) {
        await press(page, key);
        await sleep(300);
        assert.deepEqual(await faults(page), [], `with ${key} open`);
        await press(page, 'Escape');
      }
      await page.click('nav button');
      assert.deepEqual(await faults(page), [], 'with the snippet');
      assert.match(await page.evaluate(() => document.querySelector('dialog code').innerText), new RegExp(`src="${await page.evaluate(() => location.origin)}/h5live.js".*\\n<h5-live src="cam" muted>`));
      await page.evaluate(() => document.querySelector('dialog[open]').close());
      await page.click('nav button:last-child');
      await until('what happens', () => page.evaluate(() => document.querySelector('.activity[open]') !== null));
      // Somebody comes and goes, again and again until it is seen: what happened before the page listened is not told.
      await until('a viewer that came and went', async () => {
        const gone = new AbortController();
        await fetch(server.url('cam.mp4'), { signal: gone.signal }).then(answer => answer.body.getReader().read());
        gone.abort();
        return page.evaluate(() => /came \(mp4.*left after/s.test(document.querySelector('.activity [role=log]').innerText));
      });
      assert.deepEqual(await faults(page), [], 'with what happens');
    });
  }
}

for (const { name, open } of engines) {
  // The language of WebKitGTK is that of the system's locale, and it has no other setting.
  test(`${name}: Chinese by the browser's language, and by the attribute`, { skip: name === 'WebKit' && 'its language is that of the system' }, async t => {
    const { page } = await opened(t, open, { language: 'zh-CN' });
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh');
    assert.match(await inside(page, 'text', '.badge'), /^直播/);
    assert.match(await inside(page, 'text', '.pill'), /点按取消静音/);
    await press(page, 'i');
    assert.match(await inside(page, 'text', '.stats'), /统计信息.*传输方式.*此处最佳/);
    assert.match(await page.evaluate(() => document.body.innerText), /嵌入/);
    await page.evaluate(() => (document.querySelector('h5-live').lang = 'en'));
    await until('English', async () => /^Statistics/.test(await inside(page, 'text', '.stats')));
  });
}

test('a phone: large targets, nothing to drag, statistics at the foot of the window', async t => {
  const { page } = await opened(t, chromium, { phone: true, size: [390, 780] });
  await page.tap('h5-live');
  await sleep(400);
  const targets = await inside(page, 'targets');
  assert.ok(targets.length >= 8, JSON.stringify(targets));
  assert.deepEqual(targets.filter(target => target.width < 44 || target.height < 44), []);
  assert.ok(!targets.some(target => target.name === 'Volume'), 'no slider');
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(await wide(), false);
  await page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('[part~=stats-button]').click());
  await sleep(300);
  const sheet = await page.evaluate(() => document.querySelector('h5-live').shadowRoot.querySelector('.stats').getBoundingClientRect().toJSON());
  assert.deepEqual([Math.round(sheet.left), Math.round(sheet.right), Math.round(sheet.bottom)], [0, 390, 780]);
  assert.equal(await wide(), false);
});

test('who wants less motion gets none', async t => {
  const { page } = await opened(t, chromium, { more: { reducedMotion: 'reduce' } });
  await press(page, 's');
  await press(page, 'i');
  const moving = await page.evaluate(() => document.querySelector('h5-live').shadowRoot.getAnimations().map(animation => animation.animationName ?? animation.transitionProperty));
  assert.deepEqual(moving, []);
});

// The last, as the server does not stay.
for (const { name, open } of engines) {
  test(`${name}, a server that is away: last picture, reason, countdown, and back`, async t => {
    const { page } = await opened(t, open);
    await server.kill();
    await until('the countdown', async () => /Connection lost.*The (server|connection).*Trying again in \d+ s/.test(await inside(page, 'text', '.note').catch(() => '')), 20000);
    assert.equal(await inside(page, 'shown', 'canvas[part=still]'), true, 'the last picture stays');
    assert.match(await inside(page, 'text', '.badge'), /offline/i);
    assert.equal((await inside(page, 'snapshot')).width, 640, 'and can be had');
    // A writer whose reader is gone ends.
    await Promise.all(writers.map(writer => writer.ended));
    await server.run();
    writers = server.feed('cam', { size: '640x360' });
    await until('a way to not wait', () => page.evaluate(() => {
      const retry = document.querySelector('h5-live').shadowRoot.querySelector('[part~=retry-button]');
      if (document.querySelector('h5-live').state !== 'reconnecting') return true;
      if (retry.checkVisibility()) retry.click();
      return false;
    }), 20000);
    await become(page, 'playing');
  });
}
