import { Language, copyText, h, icon, label, resolve, tell } from './h5live.js';

/** The page for one stream (`/NAME`) and for all of them (`/`). */

const REFRESH_MS = 5000;
/** The page of one stream plays before it asks for the list; without a picture it asks after this time. */
const FIRST_MS = 1000;
const language = new Language();
const say = (key, values) => language.say(key, values);
const find = selector => document.querySelector(selector);
const [main, title, nav, notice] = ['main', 'h1', 'nav', '.notice'].map(find);

document.documentElement.lang = language.name;
find('.home').setAttribute('aria-label', `h5live: ${say('allStreams')}`);

function player(name, attributes) {
  return h('h5-live', { src: encodeURIComponent(name), muted: '', remote: '', ...attributes });
}

/** `640 × 360 · 30 fps · avc1, opus`, as far as it is known. */
function about({ width, height, fps, codecs }) {
  const kinds = codecs.map(codec => codec.split('.')[0]);
  return [width && `${width} × ${height}`, fps > 0 && `${Number(fps.toFixed(1))} fps`, kinds.join(', ')].filter(Boolean).join(' · ');
}

/** One stream, with what there is to know of it, and how to have it elsewhere. */
class OnePage {
  #about = h('p', { class: 'about' });
  #addresses = new Addresses();

  constructor(name) {
    this.name = name;
    begin('one', name, name);
    const dialog = embed(name);
    const open = h('button', { type: 'button', class: 'quiet' }, icon('code'), h('span', {}, say('embed')));
    open.addEventListener('click', () => dialog.showModal());
    const earlier = h('button', { type: 'button', class: 'round' }, icon('earlier'));
    label(earlier, say('earlier'));
    const live = player(name, { keys: 'page' });
    const cut = async () => (await import('./clips.js')).openClips(name);
    earlier.addEventListener('click', async () => earlier.setAttribute('aria-expanded', String((await import('./rewind.js')).toggleRewind(live, name, cut))));
    nav.prepend(open, earlier);
    // The list was made before this viewer came: with its first picture there is more to tell.
    live.addEventListener('statechange', event => {
      if (event.detail.state === 'playing') refresh();
      else if (event.detail.state === 'denied') askAgain();
    });
    main.replaceChildren(...firstPicture(live), live, this.#about, this.#addresses.element, dialog);
  }

  show(streams) {
    const stream = streams[this.name];
    const viewers = stream?.viewers > 0 && say('viewers', { n: stream.viewers });
    tell(this.#about, stream ? [about(stream), viewers].filter(Boolean).join(' · ') : '');
    this.#addresses.show(stream);
  }
}

/** What early.js has drawn is there no longer than this. */
const COVERED_MS = 1000;
/** The player's states in which it has no picture and nothing to say. */
const BEGINNING = ['idle', 'connecting', 'buffering'];

/** What early.js has drawn: it lies over the player until that has a picture of its own, or has to say why it has none. */
function firstPicture(live) {
  const drawn = [...main.querySelectorAll('.first-picture')];
  const remove = () => drawn.forEach(element => element.remove());
  live.addEventListener('statechange', ({ detail }) => BEGINNING.includes(detail.state) || remove());
  setTimeout(remove, COVERED_MS);
  return drawn;
}

/** What else of the server plays, or keeps, a stream: by the way in which it comes. */
const FORMS = { mse: [['mp4', 'addressMp4']], mjpeg: [['mjpg', 'addressMjpg'], ['jpg', 'addressJpg']] };

/** The stream's other addresses, each with a button that copies it. */
class Addresses {
  #list = h('ul');
  #done = h('span', { role: 'status', class: 'done' });
  #type = null;
  element = h('section', { class: 'addresses', 'aria-labelledby': 'addresses-title', hidden: '' },
    h('h2', { id: 'addresses-title' }, say('addresses')), this.#done, this.#list);

  show(stream) {
    const type = stream?.type ?? this.#type;
    if (type === this.#type) return;
    this.#type = type;
    const rows = (FORMS[type] ?? []).map(([form, what]) => this.#row(new URL(`${encodeURIComponent(stream.name)}.${form}`, location.href).href, say(what)));
    this.#list.replaceChildren(...rows);
    this.element.hidden = rows.length === 0;
  }

  #row(address, what) {
    const copy = h('button', { type: 'button', class: 'round' }, icon('copy'));
    label(copy, say('copyAddress', { what }));
    copy.addEventListener('click', async () => {
      this.#done.textContent = '';
      const copied = await copyText(address, this.element);
      copy.focus();
      this.#done.textContent = say(copied ? 'copied' : 'copyFailed');
    });
    return h('li', {}, h('span', {}, what), h('a', { href: address }, address), copy);
  }
}

/** A snippet to copy and to paste. */
function embed(name) {
  const base = new URL('.', location.href).href;
  const path = encodeURIComponent(name);
  const snippet = `<script type="module" src="${base}h5live.js"></script>\n<h5-live src="${path}" muted></h5-live>`;
  const close = h('button', { type: 'button', class: 'round' }, icon('close'));
  label(close, say('close'));
  const done = h('span', { role: 'status', class: 'done' });
  const copy = h('button', { type: 'button', class: 'main' }, icon('copy'), h('span', {}, say('copy')));
  const dialog = h('dialog', { 'aria-labelledby': 'embed-title' },
    h('header', {}, h('h2', { id: 'embed-title' }, say('embedTitle')), close),
    h('p', {}, say('embedMore')),
    h('pre', { tabindex: '0' }, h('code', {}, snippet)),
    h('p', { class: 'actions' }, copy, done),
    h('h3', {}, say('embedDirect')),
    h('pre', { tabindex: '0' }, h('code', {}, `mpv --profile=low-latency ${base}${path}.mp4`)));
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', event => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => (done.textContent = ''));
  copy.addEventListener('click', async () => (done.textContent = say((await copyText(snippet, dialog)) ? 'copied' : 'copyFailed')));
  return dialog;
}

/** All streams: those that are or were live here as players, the others as a list. */
class ManyPage {
  #tiles = new Map();
  #grid = h('section', { class: 'grid' });
  #list = h('ul');
  #offline = h('section', { class: 'offline', hidden: '' }, h('h2', {}, say('offlineTitle')), this.#list);
  #none = h('section', { class: 'none', hidden: '' }, h('h2', {}, say('noStreams')), h('p', {}, say('noStreamsMore')), h('pre', {}, h('code', {}, 'h5cap test | h5enc | h5mux | h5serve')));

  constructor() {
    begin('many', '', '');
    this.#grid.setAttribute('aria-label', say('allStreams'));
    main.replaceChildren(this.#grid, this.#offline, this.#none);
  }

  /** Streams come and go: what stays is not touched, so that it plays on. */
  show(streams) {
    const all = Object.values(streams);
    const live = all.filter(stream => stream.state === 'live').length;
    for (const [name, tile] of this.#tiles) {
      if (name in streams && streams[name].state !== 'ended') continue;
      tile.remove();
      this.#tiles.delete(name);
    }
    for (const stream of all) if (stream.state === 'live' && !this.#tiles.has(stream.name)) this.#add(stream.name, all);
    for (const [name, tile] of this.#tiles) tell(tile.querySelector('figcaption span'), describe(streams[name]));
    this.#showOffline(all.filter(stream => !this.#tiles.has(stream.name)));
    this.#none.hidden = all.length > 0;
    tell(title, all.length === 0 ? '' : say(live < all.length ? 'countsOffline' : 'counts', { live, offline: all.length - live }));
  }

  /** In the order of the list. */
  #add(name, all) {
    const link = h('a', { href: encodeURIComponent(name) }, name);
    const tile = h('figure', { 'data-name': name }, player(name, { loading: 'lazy' }), h('figcaption', {}, link, h('span')));
    const names = all.map(stream => stream.name);
    const next = names.slice(names.indexOf(name) + 1).find(other => this.#tiles.has(other));
    this.#grid.insertBefore(tile, this.#tiles.get(next) ?? null);
    this.#tiles.set(name, tile);
  }

  #showOffline(streams) {
    this.#offline.hidden = streams.length === 0;
    const shown = streams.map(({ name, state }) => `${name} ${state}`).join();
    if (this.#list.dataset.shown === shown) return;
    this.#list.dataset.shown = shown;
    this.#list.replaceChildren(...streams.map(entry));
  }
}

/** A page of a stream that this server does not have, and the streams that it has. */
class MissingPage {
  #title = h('h2');
  #list = h('ul');
  #streams = h('nav', { class: 'offline', 'aria-label': say('allStreams') }, this.#list);

  constructor(name) {
    begin('missing', name, name);
    tell(this.#title, say('missing', { name }));
    main.replaceChildren(h('section', { class: 'none' }, icon('search'), this.#title, h('p', {}, say('missingMore'))), this.#streams);
  }

  show(streams) {
    const all = Object.values(streams);
    this.#streams.hidden = all.length === 0;
    const shown = all.map(stream => stream.name + describe(stream)).join();
    if (this.#list.dataset.shown === shown) return;
    this.#list.dataset.shown = shown;
    this.#list.replaceChildren(...all.map(entry));
  }
}

/** What is common to the pages at their beginning. */
function begin(kind, name, head) {
  document.title = name ? `${name} · h5live` : 'h5live';
  document.body.className = kind;
  title.textContent = head;
  nav.replaceChildren(activity());
}

/** Opens what happens to viewers. */
function activity() {
  const open = h('button', { type: 'button', class: 'round' }, icon('activity'));
  label(open, say('activity'));
  open.addEventListener('click', async () => (await import('./activity.js')).openActivity());
  return open;
}

/** One stream in a list. */
function entry(stream) {
  return h('li', { class: stream.state }, h('a', { href: encodeURIComponent(stream.name) }, h('b', {}, stream.name), h('span', {}, describe(stream))));
}

function describe(stream) {
  if (stream.state === 'live') return about(stream);
  return say(stream.state === 'ended' ? 'offlineEnded' : 'offlineWaiting');
}

/** The first time what early.js has asked for, if it has. */
async function streams() {
  const early = globalThis.h5liveStreams;
  globalThis.h5liveStreams = null;
  const known = await early;
  if (known) return known;
  const answer = await fetch('api/streams', { cache: 'no-store' });
  if (answer.status === 401 || answer.status === 403) askAgain();
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return answer.json();
}

/** Who watches may not any more: the server says why, in a page that leads to the login. Not again and again, whatever is between here and there. */
function askAgain() {
  const isFresh = performance.getEntriesByType('navigation')[0]?.type === 'reload' && performance.now() < 5000;
  if (!isFresh) location.reload();
}

/** Who has logged in by the form can log out. */
async function showAccount() {
  const answer = await fetch('api/login', { headers: { accept: 'application/json' }, cache: 'no-store' }).catch(() => null);
  const { user } = answer?.ok ? await answer.json() : {};
  if (!user) return;
  const out = h('button', { type: 'button', class: 'quiet' }, say('logout'));
  out.title = say('loggedInAs', { name: user });
  out.addEventListener('click', async () => {
    await fetch('api/logout', { method: 'POST' }).catch(() => null);
    askAgain();
  });
  nav.after(h('section', { class: 'account', 'aria-label': say('loggedInAs', { name: user }) }, h('span', { 'aria-hidden': 'true' }, user), out));
}

const asked = decode(location.pathname.split('/').pop());
let page = null;
let timer = 0;

/** A name that is no valid escape is what it looks like. */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The page of all streams is that of the stream, where there is but one. `more`: streams of groups, which are not listed. */
function pageFor(names, more) {
  if (asked && !names.includes(asked) && !more.includes(asked)) return page instanceof MissingPage ? page : new MissingPage(asked);
  if (asked) return page instanceof OnePage ? page : new OnePage(asked);
  if (names.length === 1) return page?.name === names[0] ? page : new OnePage(names[0]);
  return page instanceof ManyPage ? page : new ManyPage();
}

async function refresh() {
  clearTimeout(timer);
  try {
    const all = await streams();
    const qualities = Object.values(all).flatMap(stream => stream.qualities ?? []);
    page = pageFor(Object.keys(all), qualities.map(({ name }) => name));
    page.show(all);
    tell(notice, '');
  } catch {
    // A player says so itself.
    tell(notice, page instanceof OnePage ? '' : say('serverAway'));
  }
  if (!document.hidden) timer = setTimeout(refresh, REFRESH_MS);
}

// A page that is there begins to play without waiting for the list; of one that is not, the server has said so.
if (asked && performance.getEntriesByType('navigation')[0]?.responseStatus !== 404) page = new OnePage(asked);
document.addEventListener('visibilitychange', () => document.hidden || refresh());
if (page) timer = setTimeout(refresh, FIRST_MS);
else refresh();
setTimeout(showAccount, FIRST_MS);
