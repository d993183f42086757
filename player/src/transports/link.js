import { ServerClock, wallNow } from '../engine/clock.js';

/** Neither data nor an answer to a ping for this long: the connection is dead, whatever the browser says. */
const SILENCE_MS = 5000;
/** The watch comes ten times a second. So long after its time, the computer slept: the connection is gone, or full of what is old. */
const SLEPT_MS = 4000;
/** What `closed` gets then; 4000 to 4999 are for applications. */
const SLEPT = 4001;
/** Pings measure the server's clock; a few at once at first, then rarely, and each second when no data comes. */
const PINGS = { first: 5, quick: 200, calm: 5000, quiet: 1000 };

/**
 * One WebSocket connection to `/api/ws?src=NAME`: messages out and in, the server's clock, and the watch over silence. It is used once;
 * who wants another connection makes another Link.
 *
 * @typedef {object} LinkEvents
 * @property {() => void} open
 * @property {(message: {type: string, value: any}) => void} message
 * @property {(data: ArrayBuffer) => void} data
 * @property {(reason: string, code: number) => void} closed  once, and nothing after it
 */
export class Link {
  #socket;
  #events;
  #timer = 0;
  #pings = 0;
  #pinged = -Infinity;
  #watched = Date.now();

  /** The stream was asked for with the connection, without audio: what comes first is the answer. */
  isAsked;

  /** @param {string} url @param {LinkEvents} events @param {ServerClock} clock outlives the connection @param {boolean} [takesStream]  it may be asked for already */
  constructor(url, events, clock = new ServerClock(), takesStream = false) {
    const early = takeEarly(url, takesStream);
    this.isAsked = early?.isAsked ?? false;
    this.clock = clock;
    this.opened = false;
    this.bytes = 0;
    this.dataAt = this.heardAt = performance.now();
    this.#events = events;
    this.#socket = early?.socket ?? new WebSocket(url);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = () => this.#onopen();
    this.#socket.onmessage = e => this.#onmessage(e.data);
    this.#socket.onclose = e => this.#close(closeReason(e, this.opened), e.code);
    this.#timer = setInterval(() => this.#watch(), 100);
    if (this.#socket.readyState === WebSocket.OPEN) queueMicrotask(() => this.#catchUp(early.messages));
  }

  send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Asks for the server's time, out of turn. */
  ask() {
    if (this.opened) this.#ping(performance.now());
  }

  /** Ends the connection without an event. */
  stop() {
    clearInterval(this.#timer);
    this.#events = null;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }

  /** Hears what came before this was there. */
  #catchUp(messages) {
    if (this.#events) this.#onopen();
    for (const data of messages) if (this.#events) this.#onmessage(data);
  }

  #onopen() {
    this.opened = true;
    this.heardAt = performance.now();
    this.#events.open();
  }

  #onmessage(data) {
    this.heardAt = performance.now();
    if (typeof data !== 'string') {
      this.bytes += data.byteLength;
      this.dataAt = this.heardAt;
      this.#events.data(data);
      return;
    }
    const message = parse(data);
    if (message?.type === 'pong') {
      const { t, server } = message.value ?? {};
      const wall = wallNow();
      this.clock.answer(wall - (this.heardAt - t), wall, server);
    } else if (message) {
      this.#events.message(message);
    }
  }

  #watch() {
    const now = performance.now();
    const pause = Date.now() - this.#watched;
    this.#watched = Date.now();
    // In a hidden page timers rest, too.
    if (pause > SLEPT_MS && !document.hidden) return this.#close('the computer slept', SLEPT);
    if (now - this.heardAt > SILENCE_MS) return this.#close('no answer from the server', 1006);
    const rest = this.#pings < PINGS.first ? PINGS.quick : now - this.dataAt > PINGS.quiet ? PINGS.quiet : PINGS.calm;
    if (this.opened && now - this.#pinged >= rest) this.#ping(now);
  }

  #ping(now) {
    this.#pings++;
    this.#pinged = now;
    this.send({ type: 'ping', value: now });
  }

  #close(reason, code) {
    const events = this.#events;
    this.stop();
    events?.closed(reason, code);
  }
}

/** What early.js has opened, once, if it is for this address and still there. One that is of no use is closed. */
function takeEarly(url, takesStream) {
  const early = globalThis.h5liveEarly;
  if (early?.address !== url) return null;
  globalThis.h5liveEarly = null;
  if (early.socket.readyState <= WebSocket.OPEN && (takesStream || !early.isAsked)) return early;
  early.socket.close();
  return null;
}

/** Whether there is something to play at once after this close: another writer came back with other tracks (1012), or the computer woke. */
export function isSoon(code) {
  return code === 1012 || code === SLEPT;
}

/** The right to watch has ended: as status 401, in the range for applications. */
export function isDenied(code) {
  return code === 4401;
}

function parse(text) {
  try {
    const message = JSON.parse(text);
    return typeof message?.type === 'string' ? message : null;
  } catch {
    return null;
  }
}

function closeReason(event, opened) {
  if (event.reason) return event.reason;
  return opened ? 'the connection was closed' : 'the server cannot be reached';
}
