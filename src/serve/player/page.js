import './h5live.js';

/** The page for one stream (`/NAME`) and for all of them (`/`). */

const REFRESH_MS = 5000;
const main = document.querySelector('main');
const title = document.querySelector('h1');

function player(name) {
  const element = document.createElement('h5-live');
  element.setAttribute('src', encodeURIComponent(name));
  element.muted = true;
  return element;
}

function tile(name) {
  const figure = document.createElement('figure');
  const caption = document.createElement('figcaption');
  const link = document.createElement('a');
  link.href = encodeURIComponent(name);
  link.textContent = name;
  caption.append(link);
  figure.append(player(name), caption);
  figure.dataset.name = name;
  return figure;
}

function one(name) {
  document.title = `${name} · h5live`;
  document.body.className = 'one';
  title.textContent = name;
  main.replaceChildren(player(name));
}

/** Streams come and go: what stays is not touched, so that it plays on. */
function many(names) {
  document.title = 'h5live';
  document.body.className = names.length ? 'many' : 'none';
  title.textContent = names.length ? '' : 'No streams yet';
  const tiles = new Map([...main.querySelectorAll('figure')].map(f => [f.dataset.name, f]));
  if (tiles.size === 0) main.replaceChildren();
  for (const [name, figure] of tiles) if (!names.includes(name)) figure.remove();
  for (const name of names) if (!tiles.has(name)) main.append(tile(name));
}

async function streams() {
  const answer = await fetch('api/streams', { cache: 'no-store' });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return Object.keys(await answer.json());
}

let shown = null;

async function refresh() {
  try {
    const names = await streams();
    if (String(names) === shown) return;
    shown = String(names);
    if (names.length === 1) one(names[0]);
    else many(names);
  } catch {
    // The players themselves say that the server is away.
  }
}

const name = decodeURIComponent(location.pathname.split('/').pop());
if (name) {
  one(name);
} else {
  refresh();
  setInterval(refresh, REFRESH_MS);
}
