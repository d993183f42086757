/**
 * Opens the WebSocket of the page's stream while the player is on its way; transports/link.js takes it. One that has anything to say by itself is
 * closed: what it says is an error, which the player is to hear. One that is not taken is closed by the server.
 */
(() => {
  const name = location.pathname.split('/').pop();
  const isMissing = performance.getEntriesByType('navigation')[0]?.responseStatus === 404;
  if (!/^[\w-]+$/.test(name) || isMissing || customElements.get('h5-live')) return;
  const address = new URL('api/ws', location);
  address.protocol = address.protocol.replace('http', 'ws');
  address.search = `src=${name}`;
  const socket = new WebSocket(address);
  socket.onmessage = () => socket.close();
  globalThis.h5liveEarly = socket;
})();
