// The player as the working tree has it: the parts joined as the server joins them, and put in place of what the server sends.
import path from 'node:path';
import { hash, joined, page, policy, read, script } from '../../../player/join.mjs';

const TYPES = { '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.html': 'text/html; charset=utf-8', '.svg': 'image/svg+xml' };

/** What the working tree has for an address of the server; null for all else. Pages are known by their request wanting a document. */
function answer(url, isDocument) {
  if (/\/(api|in|rec)\//.test(new URL(url).pathname)) return null;
  const name = isDocument ? 'page.html' : new URL(url).pathname.split('/').pop();
  if (name !== 'h5live.js' && !['h5live-sound.js', 'page.js', 'activity.js', 'clips.js', 'rewind.js', 'timeline.js', 'spans.js', 'thumbnails.js', 'page.css', 'page.html', 'icon.svg'].includes(name)) return null;
  return { body: name === 'h5live.js' ? joined() : name === 'page.html' ? page() : name.endsWith('.js') ? script(name) : read(name), type: TYPES[path.extname(name)] };
}

/** The response that the working tree has for an address; null for all else. */
export function treeReply(url, isDocument) {
  const found = answer(url, isDocument);
  if (!found) return null;
  const headers = { 'Content-Type': found.type, 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin', 'Cache-Control': 'no-cache' };
  if (found.type.startsWith('text/html')) headers['Content-Security-Policy'] = policy().replace(/'sha256-[^']*'/, hash());
  return { status: 200, headers, body: found.body };
}

/** Ports of the h5serve processes of this run: other servers' pages are left alone. */
export const ports = new Set();

/** Lets a page of playwright or puppeteer have the working tree's files, so that no program has to be built again for a look at a change. */
export async function serveTree(page) {
  const reply = (url, isDocument) => (ports.has(Number(new URL(url).port)) ? treeReply(url, isDocument) : null);
  if (page.route) {
    await page.route(/\/(h5live\.js|h5live-sound\.js|page\.js|activity\.js|clips\.js|rewind\.js|timeline\.js|spans\.js|page\.css|icon\.svg|[^./]*)(\?[0-9a-f]*)?$/, route => {
      const found = reply(route.request().url(), route.request().isNavigationRequest());
      return found ? route.fulfill(found) : route.fallback();
    });
    return;
  }
  await page.setRequestInterception(true);
  page.on('request', request => {
    const found = reply(request.url(), request.isNavigationRequest());
    if (found) request.respond(found).catch(() => {});
    else request.continue().catch(() => {});
  });
}
