/**
 * Asks for what the page needs while the player is on its way. The WebSocket of its stream is opened, and with it the stream is asked for where it is to be
 * decoded by WebCodecs: it comes in the same round trip. Its first picture is decoded, and shown, before the page's own script runs, which would keep the
 * browser from it for as long as a decoder takes. transports/link.js takes the connection, and what came by then. The page of all streams needs the list
 * first; where there is but one stream, it is that one's page.
 * It is a part of page.html, so that it waits for no file.
 */
(() => {
  /** Those of engine/codecs.js. A MediaSource tells at once which of them the browser knows; VideoDecoder would tell later. */
  const CODECS = ['avc1.640029', 'avc1.64002A', 'avc1.640033', 'hvc1.1.6.L153.B0', 'av01.0.08M.08', 'vp09.00.40.08'];
  /** A player that does not come leaves no connection open. */
  const UNTAKEN_MS = 10000;
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
    const early = { address: address.href, socket, isAsked: codecs !== '', messages: [], picture: null, take, close };
    let isTaken = false;
    const decoder = early.isAsked ? started(codecs.split(',')[0], decoded) : null;
    if (!decoder) load();
    socket.onclose = load;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      early.messages.push(data);
      if (decoder) look(early, decoder);
    };
    setTimeout(() => globalThis.h5liveEarly === early && close(), UNTAKEN_MS);
    globalThis.h5liveEarly = early;

    function decoded(picture) {
      if (isTaken) return picture.close();
      early.picture = picture;
      show(picture, early.messages.find(message => typeof message !== 'string'));
    }

    /** The first picture, if it is there: whoever takes it closes it. */
    function take() {
      isTaken = true;
      if (decoder && decoder.state !== 'closed') decoder.close();
      const { picture } = early;
      early.picture = null;
      return picture;
    }

    /** Of no use to anybody. */
    function close() {
      socket.close();
      take()?.close();
    }
  }

  /** Puts a picture where the player is going to be, which takes it away: one that is neither turned nor cut, and has square pixels. */
  function show(picture, init) {
    const [track, main] = [boxOf(init, 'tkhd'), document.querySelector('main')];
    if (!track || !main || main.firstChild || boxOf(init, 'clap') || boxOf(init, 'pasp')) return load();
    const view = new DataView(track.buffer, track.byteOffset + (track[0] === 1 ? 52 : 40));
    const [a, b, , c, d, , , , , width, height] = Array.from({ length: 11 }, (_, i) => view.getInt32(4 * i) / 65536);
    if (a !== 1 || b !== 0 || c !== 0 || d !== 1 || !(width > 0 && height > 0)) return load();
    const canvas = Object.assign(document.createElement('canvas'), { width: picture.displayWidth, height: picture.displayHeight });
    canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
    const box = Object.assign(document.createElement('div'), { className: 'first-picture' });
    box.setAttribute('aria-hidden', 'true');
    box.style.setProperty('--ratio', width / height);
    box.append(canvas);
    main.append(box);
    document.body.className = 'one';
    requestAnimationFrame(() => {
      performance.mark('first-picture');
      setTimeout(load);
    });
  }

  /** A decoder for the first picture. The first one of a browser takes tens of milliseconds to begin: it begins now, for whatever codec. */
  function started(codec, output) {
    const decoder = new VideoDecoder({ output, error: load });
    decoder.configure({ codec, optimizeForLatency: true });
    return decoder;
  }

  /** The first chunk behind the init segment is a keyframe: it is decoded by itself. Where that does not work, nothing is lost. */
  function look(early, decoder) {
    const [init, chunk] = early.messages.filter(message => typeof message !== 'string');
    if (early.messages.some(message => /"type":\s*"error"/.test(message))) load();
    const codec = early.messages.map(message => /"mse".*codecs=\\?"([^"\\]*)/.exec(message)?.[1]).find(Boolean);
    if (early.messages.at(-1) !== chunk || !codec) return;
    try {
      const description = ['avcC', 'hvcC', 'av1C'].map(name => boxOf(init, name)).find(Boolean);
      const data = boxOf(chunk, 'mdat');
      decoder.configure({ codec, optimizeForLatency: true, ...(description && { description }) });
      decoder.decode(new EncodedVideoChunk({ type: 'key', timestamp: 0, data }));
      decoder.flush().catch(() => {});
    } catch {
      // The player will see why.
    }
  }

  /** What is in the first box of this type, wherever it is. */
  function boxOf(buffer, type) {
    const [bytes, wanted] = [new Uint8Array(buffer), [...type].map(c => c.charCodeAt(0))];
    const at = bytes.findIndex((_, i) => wanted.every((byte, k) => bytes[i + k] === byte));
    return at < 4 ? null : bytes.subarray(at + 4, at - 4 + new DataView(buffer).getUint32(at - 4));
  }

  function playable() {
    const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;
    if (!globalThis.VideoDecoder || !Source) return '';
    return CODECS.filter(codec => Source.isTypeSupported(`video/mp4; codecs="${codec}"`)).join();
  }
})();
