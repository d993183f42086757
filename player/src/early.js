/**
 * Asks for what the page needs while the player is on its way. The WebSocket of its stream is opened, and with it the stream is asked for where it is to be
 * decoded by WebCodecs: it comes in the same round trip. transports/link.js takes the connection, and what came by then. The page of all streams needs the
 * list first; where there is but one stream, it is that one's page.
 * It is not `async`: WebKit runs such a script after the first painting.
 */
(() => {
  /** Those of engine/codecs.js. A MediaSource tells at once which of them the browser knows; VideoDecoder would tell later. */
  const CODECS = ['avc1.640029', 'avc1.64002A', 'avc1.640033', 'hvc1.1.6.L153.B0', 'av01.0.08M.08', 'vp09.00.40.08'];
  /** A player that does not come leaves no connection open. */
  const UNTAKEN_MS = 10000;
  const name = location.pathname.split('/').pop();
  const isMissing = performance.getEntriesByType('navigation')[0]?.responseStatus === 404;
  if (isMissing || customElements.get('h5-live')) return;
  if (name) return open(name);
  globalThis.h5liveStreams = fetch('api/streams', { cache: 'no-store' }).then(answer => (answer.ok ? answer.json() : null)).catch(() => null);
  globalThis.h5liveStreams.then(streams => {
    const names = Object.keys(streams ?? {});
    if (names.length === 1) open(names[0]);
  });

  function open(name) {
    if (!/^[\w-]+$/.test(name)) return;
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
  }

  function playable() {
    const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;
    if (!globalThis.VideoDecoder || !Source) return '';
    return CODECS.filter(codec => Source.isTypeSupported(`video/mp4; codecs="${codec}"`)).join();
  }
})();
