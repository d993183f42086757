// Who may watch, as people see it: the login and its keys, logging out, a link that has expired, a stream that one may not see, and a right that ends
// while one watches.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { chromium, engines } from '../lib/browsers.mjs';
import { faults } from '../lib/face.mjs';
import { Bench, Server, programs, sleep, until } from '../lib/programs.mjs';

// The working tree's pages are put in place of what the server sends, also where it refuses.
const skip = process.env.H5LIVE_TREE ? "the working tree's pages ask for no login" : false;
const bench = new Bench();
const file = name => path.join(bench.dir, name);
const tool = (args, input = '') => execFileSync(path.join(programs(), 'h5serve'), args, { cwd: bench.dir, input }).toString().trim();
let server;

/** Asks as Ann does, who may see all. */
class Guarded extends Server {
  static ann = { headers: { authorization: `Basic ${btoa("ann:ann's s3cret")}` } };

  async run() {
    const inputs = Object.entries(this.inputs).map(([name, at]) => `${name}=${at}`);
    this.process = this.bench.start('h5serve', ['--listen', `127.0.0.1:${this.port}`, ...this.args, ...inputs]);
    await until('h5serve listens', () => fetch(this.url('h5live.js')).then(r => r.ok, () => false));
  }

  async stream(name) {
    return (await (await fetch(this.url('api/streams'), Guarded.ann)).json())[name];
  }
}

before(async () => {
  if (skip) return;
  tool(['passwd', 'users', 'ann'], "ann's s3cret");
  tool(['passwd', 'users', 'bob', '--rights', 'cam=view'], "bob's s3cret");
  tool(['link', '--key', 'key', '--new-key']);
  server = await Guarded.start(bench, ['cam', 'attic'], ['--on-eof', 'reopen', '--users', file('users'), '--link-key', file('key')]);
  server.feed('cam', { size: '320x240', rate: '15' });
  await server.live('cam');
});
after(() => bench.close());

async function shot(page, name) {
  if (!process.env.H5LIVE_SHOTS) return;
  fs.mkdirSync(process.env.H5LIVE_SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(process.env.H5LIVE_SHOTS, `${name}.png`) });
}

/** What the page says in place of a picture; null while it has none to say. */
const said = page => page.evaluate(() => document.querySelector('h1.why')?.innerText ?? null).catch(() => null);
const plays = page => until('it plays', () => page.evaluate(() => document.querySelector('h5-live')?.state === 'playing').catch(() => false), 30000);
const says = (page, text) => until(`it says ${text}`, async () => (await said(page)) === text, 30000);

async function login(page, name) {
  await page.evaluate(([name, password]) => {
    const { name: who, password: what } = document.querySelector('form').elements;
    [who.value, what.value] = [name, password];
    document.querySelector('form button').click();
  }, [name, `${name}'s s3cret`]);
}

for (const { name, open } of engines) {
  test(`${name}: in, out, and out while watching`, { skip }, async t => {
    const { page, close } = await open();
    page.direct?.();
    t.after(close);
    await page.goto(server.url('cam'));
    await says(page, 'A login is needed');
    await shot(page, `login-${name}`);
    await login(page, 'bob');
    await plays(page);
    await until('who is logged in', () => page.evaluate(() => document.querySelector('.account span')?.innerText === 'bob'));
    await shot(page, `account-${name}`);
    await page.evaluate(() => document.querySelector('.account button').click());
    await says(page, 'A login is needed');
    // Another tab logs out: the session has ended, and the page says so.
    await login(page, 'bob');
    await plays(page);
    const users = fs.readFileSync(file('users'), 'utf8');
    fs.writeFileSync(file('users'), users.split('\n').filter(line => !line.startsWith('bob:')).join('\n'));
    await says(page, 'Your session has ended');
    assert.ok(await page.evaluate(() => document.querySelector('form') !== null && document.querySelector('[name=next]').value === 'cam'));
    await shot(page, `ended-${name}`);
    fs.writeFileSync(file('users'), users);
    await until('Bob is back', async () => {
      // Each time that it is too early counts as a wrong try, and those of all engines come from one address.
      await sleep(1000);
      return (await fetch(server.url('cam'), { headers: { authorization: `Basic ${btoa("bob:bob's s3cret")}` } })).ok;
    });
    await login(page, 'bob');
    await plays(page);
    await page.goto(server.url('attic'));
    await says(page, 'You may not see this stream');
    await shot(page, `forbidden-${name}`);
  });

  test(`${name}: a link that expires while it is watched`, { skip }, async t => {
    const { page, close } = await open();
    page.direct?.();
    t.after(close);
    const link = tool(['link', '--key', 'key', '--stream', 'cam', '--ttl', '25s', '--path-prefix']);
    await page.goto(server.url(link.slice(1)));
    await plays(page);
    await says(page, 'This link has expired');
    await shot(page, `expired-${name}`);
  });
}

/** The page gives the name the focus when all of it is there: what is typed before goes nowhere. */
const ready = page => until('the name has the focus', () => page.evaluate(() => document.activeElement?.name === 'name').catch(() => false));

test('by keyboard, in Chinese, with nothing that axe finds', { skip }, async t => {
  const { page, close } = await chromium({ language: 'zh-CN', dark: true, size: [390, 780] });
  t.after(close);
  await page.goto(server.url('cam'));
  assert.equal(await said(page), '请登录');
  assert.deepEqual(await faults(page), []);
  await ready(page);
  await page.keyboard.type('bob');
  await page.keyboard.press('Tab');
  await page.keyboard.type("wrong s3cret");
  await page.keyboard.press('Enter');
  await says(page, '用户名、密码或令牌错误');
  await shot(page, 'wrong-chinese-phone');
  await ready(page);
  await page.keyboard.type('bob');
  await page.keyboard.press('Tab');
  await page.keyboard.type("bob's s3cret");
  await page.keyboard.press('Enter');
  await plays(page);
  const out = await page.waitForSelector('.account button');
  assert.equal(await out.innerText(), '退出登录');
  assert.deepEqual(await faults(page), []);
  await out.focus();
  await page.keyboard.press('Enter');
  await says(page, '请登录');
});

test('the list has what one may see', { skip }, async t => {
  const { page, close } = await chromium();
  t.after(close);
  await page.goto(server.url());
  await says(page, 'A login is needed');
  await login(page, 'bob');
  // One stream: the page of all is that one's.
  await plays(page);
  assert.equal(await page.evaluate(() => document.querySelector('h1').innerText), 'cam');
  assert.equal(await page.evaluate(() => document.body.innerText.includes('attic')), false);
});

test('a player on the page of others says that one may not watch', { skip }, async t => {
  const { page, close } = await chromium();
  t.after(close);
  const link = tool(['link', '--key', 'key', '--stream', 'cam', '--ttl', '20s', '--path-prefix']);
  await page.goto(server.url('h5live.js'));
  await page.evaluate(async src => {
    await import('/h5live.js');
    document.body.replaceChildren(Object.assign(document.createElement('h5-live'), { src, muted: true }));
  }, server.url(link.slice(1)));
  await plays(page);
  const player = () => page.evaluate(() => { const { state, reason } = document.querySelector('h5-live').stats; return `${state}: ${reason}`; });
  await until('it says so', async () => (await player()) === 'denied: this link has expired', 30000);
  // And not again and again.
  await page.evaluate(() => document.querySelector('h5-live').play());
  await until('it has asked', async () => (await player()) === 'denied: a login is needed', 20000);
});
