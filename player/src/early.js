/**
 * Asks for what the page needs while the player is on its way. The WebSocket of its stream is opened, and with it the stream is asked for where it is to be
 * decoded by WebCodecs: it comes in the same round trip. The newest keyframe is in the page as an image, and shown before the page's own script runs: an image
 * is on the screen before a decoder has begun, and a script would keep the browser from it for as long. transports/link.js takes the connection, and what
 * came by then. The page of all streams needs the list first; where there is but one stream, it is that one's page.
 * It is a part of page.html, so that it waits for no file.
 */
(() => {
  /** Those of engine/codecs.js. A MediaSource tells at once which of them the browser knows; VideoDecoder would tell later. */
  const CODECS = ['avc1.640029', 'avc1.64002A', 'avc1.640033', 'hvc1.1.6.L153.B0', 'av01.0.08M.08', 'vp09.00.40.08'];
  /** A player that does not come leaves no connection open. */
  const UNTAKEN_MS = 10000;
  /** The newest keyframe, where it is not in the page: it was not decoded in time. */
  const IMAGE = '.jpg?width=640&optional=1';
  /** Without a picture, the page's script runs so long after the navigation. Where it is still on its way then, nothing is lost. */
  const LATEST_MS = 250;
  const name = location.pathname.split('/').pop();
  const isMissing = performance.getEntriesByType('navigation')[0]?.responseStatus === 404;
  if (isMissing || customElements.get('h5-live')) return load();
  setTimeout(load, Math.max(0, LATEST_MS - performance.now()));
  if (name) return open(name);
  globalThis.h5liveStreams = fetch('api/streams', { cache: 'no-store' }).then(answer => (answer.ok ? answer.json() : null)).catch(() => null);
  globalThis.h5liveStreams.then(streams => {
    const names = Object.keys(streams ?? {});
    if (names.length === 1) open(names[0]);
    else load();
  });

  /** The page's script, once: the first that is preloaded. It needs the page's elements. */
  function load() {
    if (document.readyState === 'loading') return document.addEventListener('DOMContentLoaded', load);
    const { href } = document.querySelector('link[rel=modulepreload]');
    if (document.querySelector('script[src]')) return;
    document.head.append(Object.assign(document.createElement('script'), { type: 'module', src: href }));
  }

  function open(name) {
    if (!/^[\w-]+$/.test(name)) return load();
    const address = new URL('api/ws', location);
    address.protocol = address.protocol.replace('http', 'ws');
    address.search = `src=${name}`;
    const codecs = playable();
    const socket = new WebSocket(codecs ? `${address.href}&codecs=${codecs}` : address.href);
    const early = { address: address.href, socket, isAsked: codecs !== '', messages: [] };
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => early.messages.push(data);
    setTimeout(() => globalThis.h5liveEarly === early && socket.close(), UNTAKEN_MS);
    globalThis.h5liveEarly = early;
    show(name);
  }

  /** Shows the newest keyframe where the player is going to be, which takes it away: the image in the page, or one that the page asks for. */
  async function show(name) {
    if (document.readyState === 'loading') return document.addEventListener('DOMContentLoaded', () => show(name));
    const main = document.querySelector('main');
    const inside = main.querySelector('img');
    const image = inside ?? Object.assign(new Image(), { alt: '', src: name + IMAGE });
    image.decoding = 'sync';
    await image.decode().catch(() => {});
    if (image.naturalWidth === 0 || main.firstChild !== inside) return load();
    const box = Object.assign(document.createElement('div'), { className: 'first-picture' });
    box.style.setProperty('--ratio', image.naturalWidth / image.naturalHeight);
    box.append(image);
    main.append(box);
    image.hidden = false;
    document.body.className = 'one';
    requestAnimationFrame(() => {
      performance.mark('first-picture');
      setTimeout(load);
    });
  }

  function playable() {
    const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;
    if (!globalThis.VideoDecoder || !Source) return '';
    return CODECS.filter(codec => Source.isTypeSupported(`video/mp4; codecs="${codec}"`)).join();
  }
})();
