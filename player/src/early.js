/**
 * Asks for what the page needs while the player is on its way. The WebSocket of its stream is opened, and transports/link.js takes it. One that has anything to
 * say by itself is closed: what it says is an error, which the player is to hear. One that is not taken is closed by the server. The page of all streams
 * needs the list first; where there is but one stream, it is that one's page.
 * It is not `async`: WebKit runs such a script after the first painting.
 */
(() => {
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
    const socket = new WebSocket(address);
    socket.onmessage = () => socket.close();
    globalThis.h5liveEarly = socket;
  }
})();
