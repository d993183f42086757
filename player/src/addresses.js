/** Where the forms of a stream are to be had. */

/** Addresses of a stream, from its name, the address of its page, `…/NAME`, or that of its WebSocket, `…/api/ws?src=NAME`; null if it is none. */
export function resolve(src) {
  const base = import.meta.url.startsWith('http') ? import.meta.url : document.baseURI;
  if (!URL.canParse(src, base)) return null;
  let page = new URL(src, base);
  if (/^wss?:$/.test(page.protocol)) page = new URL(page.href.replace('ws', 'http'));
  const named = page.searchParams.get('src');
  if (named && page.pathname.endsWith('/api/ws')) page = new URL(`../${encodeURIComponent(named)}`, page);
  page.search = page.hash = '';
  const name = page.pathname.split('/').pop();
  const socket = new URL('api/ws', page);
  socket.protocol = page.protocol.replace('http', 'ws');
  socket.search = `src=${name}`;
  return { name, ws: socket.href, mp4: `${page.href}.mp4`, hls: `${page.href}/index.m3u8`, mjpg: `${page.href}.mjpg`, jpg: `${page.href}.jpg` };
}

/** The same stream in one of its qualities. */
export function inQuality({ ws, mp4, ...others }, quality) {
  const name = encodeURIComponent(quality);
  return quality ? { ...others, ws: `${ws}&quality=${name}`, mp4: `${mp4}?quality=${name}` } : { ...others, ws, mp4 };
}
