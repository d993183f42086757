import { isCrowded } from '../engine/crowd.js';
import { MseTransport } from './mse.js';
import { CodecsTransport } from './webcodecs.js';
import { JpegTransport } from './jpeg.js';
import { HlsTransport, Mp4Transport, MultipartTransport } from './http.js';

export const TRANSPORTS = { mse: MseTransport, webcodecs: CodecsTransport, mjpeg: JpegTransport, mp4: Mp4Transport, hls: HlsTransport, multipart: MultipartTransport };
/** So many attempts in which no WebSocket opened, and plain HTTP is tried: some proxies are like that. */
const UNREACHABLE = 2;

/**
 * The order in which transports are tried.
 *
 * @param {object} known
 * @param {string} [known.asked] the one that is to be the first
 * @param {'jpeg' | 'mp4' | null} [known.kind] what the stream is, once the server has said so
 * @param {boolean} [known.socket] whether WebSockets get through
 * @param {boolean} [known.mse] whether there is a MediaSource; then `<video>` alone plays no more than that
 * @param {boolean} [known.hls] whether HLS is more likely to play than an MP4 without an end
 * @param {boolean} [known.canvas] whether a canvas does for the pictures: WebCodecs have the lowest latency
 */
export function order({ asked = 'auto', kind = null, socket = true, mse = true, hls = false, canvas = true }) {
  const files = hls ? ['hls', 'mp4'] : ['mp4', 'hls'];
  const mp4 = !socket ? files : !mse ? ['webcodecs', ...files] : canvas ? ['webcodecs', 'mse'] : ['mse', 'webcodecs'];
  const jpeg = socket ? ['mjpeg'] : ['multipart'];
  const all = kind === 'jpeg' ? jpeg : kind === 'mp4' ? mp4 : [...mp4, ...jpeg];
  return Object.hasOwn(TRANSPORTS, asked) ? [asked, ...all.filter(name => name !== asked)] : all;
}

/** Which transport plays a stream: the one asked for, what speaks against each, and the best that is left. */
export class Choice {
  #asked = 'auto';
  /** Transports that cannot play this stream here, each with the reason. */
  #refusals = new Map();
  #kind = null;
  #unreachable = 0;
  /** The picture is wanted in the `<video>`. */
  wantsVideo = false;

  get asked() {
    return this.#asked;
  }

  /** The one that is to be the first, from now on. */
  ask(transport) {
    this.#asked = Object.hasOwn(TRANSPORTS, transport) ? transport : 'auto';
    this.forget();
  }

  /** Nothing speaks against any of them any more. */
  forget() {
    this.#refusals.clear();
    this.#kind = null;
    this.#unreachable = 0;
  }

  /** The first transport that nothing speaks against; '' if there is none. @param {boolean} hasPlayed  pictures of this stream came */
  best(hasPlayed) {
    const socket = !this.unreachable || hasPlayed;
    const asked = this.wantsVideo && TRANSPORTS[this.#asked]?.surface !== 'video' ? 'auto' : this.#asked;
    return order({ asked, kind: this.#kind, socket, mse: MseTransport.refusal() === '', hls: HlsTransport.isFirst, canvas: !this.#noCanvas }).find(name => !this.#refusals.has(name)) ?? '';
  }

  /** Why it is this transport and no other. */
  why(name) {
    if (!name) return '';
    if (name === this.#asked) return 'asked for';
    const [refused] = this.#refusals;
    if (refused) return `${TRANSPORTS[refused[0]].label}: ${refused[1].reason}`;
    if (name === 'mse' && this.#noCanvas) return `WebCodecs: ${this.#noCanvas}`;
    return this.unreachable ? 'no WebSocket gets through' : 'best here';
  }

  /** This transport cannot play the stream here. @param {import('./transport.js').Failure} how */
  refuse(name, reason, { kind = null, cure = '', until = Infinity, forSound = false } = {}) {
    if (kind && kind !== this.#kind) this.#refusals.clear();
    this.#kind = kind ?? this.#kind;
    this.#refusals.set(name, { reason, cure, until, forSound });
  }

  /** Why none is left: of several reasons, the one that something can be done about. @returns {{reason: string, cure: string}} */
  get refusal() {
    const refusals = [...this.#refusals.values()];
    return refusals.find(({ cure }) => cure) ?? refusals[0];
  }

  /** What was refused for a time that is over may be tried again. */
  expire(now = Date.now()) {
    this.#allow(({ until }) => until < now);
  }

  /** What was refused for its sound may be tried again. */
  withoutSound() {
    this.#allow(({ forSound }) => forSound);
  }

  #allow(isAllowed) {
    for (const [name, refusal] of this.#refusals) if (isAllowed(refusal)) this.#refusals.delete(name);
  }

  /** Whether no WebSocket gets through, as far as is known. */
  get unreachable() {
    return this.#unreachable >= UNREACHABLE;
  }

  /** No WebSocket opened. */
  missed() {
    this.#unreachable++;
  }

  /** A picture came. */
  reached() {
    this.#unreachable = 0;
  }

  /** Why a canvas does not do for the pictures, although nobody asked for another transport; '' if it does. */
  get #noCanvas() {
    if (this.wantsVideo) return 'only a <video> can go there';
    return isCrowded() ? 'there are more players than processors' : '';
  }
}
