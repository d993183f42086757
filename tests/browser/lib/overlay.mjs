// A server in front of h5serve, for a browser in which no request can be answered by a test and no script put into a page before its own: it
// serves the working tree's player where that is asked for, and puts a few lines in front of page.js.
import http from 'node:http';
import net from 'node:net';
import { treeReply } from './player.mjs';

/** `firstPicture`: when the first picture came, in ms after navigation; `faults`: what the page complains of. */
const PRELUDE = `addEventListener('statechange', e => { if (e.detail.state === 'playing') window.firstPicture ??= performance.now(); }, true);
window.faults = [];
addEventListener('error', e => window.faults.push(e.message));
addEventListener('unhandledrejection', e => window.faults.push(String(e.reason)));
document.addEventListener('securitypolicyviolation', e => window.faults.push(e.violatedDirective + ' ' + e.blockedURI));
`;

/** In front of the server of this address. @param {string} [before]  lines in front of h5live.js, which runs before page.js */
export async function overlay(url, before = '') {
  const upstream = Number(new URL(url).port);
  const front = {
    /** Paths that were asked for, and how many WebSockets. */
    asked: [],
    upgrades: 0,
    /** h5live.js is given when this is settled. */
    held: null,
    /** So many WebSockets are refused. */
    refusals: 0,
  };
  const server = http.createServer(async (request, response) => {
    const path = pathOf(request);
    front.asked.push(path);
    if (path.endsWith('/h5live.js')) await front.held;
    answer(upstream, before, request, response).catch(() => response.destroy());
  });
  const sockets = new Set();
  server.on('connection', socket => sockets.add(socket.on('close', () => sockets.delete(socket))));
  server.on('upgrade', (request, near, head) => {
    front.upgrades++;
    if (front.refusals > 0) {
      front.refusals--;
      return near.destroy();
    }
    const far = net.connect(upstream, '127.0.0.1');
    for (const [from, to] of [[near, far], [far, near]]) from.setNoDelay(true).on('error', () => to.destroy()).on('close', () => to.destroy()).pipe(to);
    far.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines(request.rawHeaders)}\r\n`);
    far.write(head);
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  return Object.assign(front, {
    /** The same address, by way of this server; those of others are left as they are. */
    url: at => at.replace(`127.0.0.1:${upstream}`, `127.0.0.1:${port}`),
    close: () => {
      server.close();
      sockets.forEach(socket => socket.destroy());
    },
  });
}

const pathOf = request => request.url.split('?')[0];

async function answer(upstream, before, request, response) {
  const url = `http://127.0.0.1:${upstream}${request.url}`;
  const isDocument = request.headers['sec-fetch-dest'] === 'document' || /^text\/html/.test(request.headers.accept ?? '');
  const ours = process.env.H5LIVE_TREE ? treeReply(url, isDocument) : null;
  const { status, headers, body } = ours ?? (await passed(upstream, request));
  const added = pathOf(request).endsWith('/page.js') ? PRELUDE : pathOf(request).endsWith('/h5live.js') ? before : '';
  if (!added) return send(response, status, headers, body);
  const text = [];
  if (typeof body === 'string') text.push(body);
  else for await (const piece of body) text.push(piece.toString());
  const { 'content-length': _, etag: __, ...rest } = headers;
  send(response, status, rest, added + text.join(''));
}

function send(response, status, headers, body) {
  response.writeHead(status, headers);
  if (typeof body === 'string') return response.end(body);
  body.on('error', () => response.destroy());
  response.on('close', () => body.destroy());
  body.pipe(response);
}

function passed(port, { method, url, headers }) {
  const { 'if-none-match': _, 'accept-encoding': __, ...rest } = headers;
  return new Promise((resolve, reject) => {
    http.request({ host: '127.0.0.1', port, method, path: url, headers: rest, agent: false }, answer => resolve({ status: answer.statusCode, headers: answer.headers, body: answer })).on('error', reject).end();
  });
}

function lines(raw) {
  let text = '';
  for (let i = 0; i < raw.length; i += 2) text += `${raw[i]}: ${raw[i + 1]}\r\n`;
  return text;
}
