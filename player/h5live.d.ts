/** What the player does now; see docs/player.md. */
export type State = 'idle' | 'connecting' | 'playing' | 'stalled' | 'waiting' | 'reconnecting' | 'unplayable' | 'denied' | 'paused' | 'blocked';

/** Ways that the stream can take. */
export type Transport = 'auto' | 'webcodecs' | 'mse' | 'mjpeg' | 'mp4' | 'hls' | 'multipart';

/** What is known of the playback now. Times in ms unless it says otherwise; null is not known. */
export interface Stats {
  state: State;
  /** Why, in English; '' when all is well. */
  reason: string;
  /** Name of the transport in use. */
  transport: string;
  /** Why this one and no other. */
  why: string;
  /** RFC 6381. */
  codecs: string;
  /** The name of the one that is shown, where the stream has several qualities. */
  quality: string | null;
  /** There is sound, and it is on. */
  sound: boolean;
  volume: number;
  width: number;
  height: number;
  /** Frames a second, measured. */
  fps: number | null;
  /** Bits a second, measured. */
  bitrate: number | null;
  /** From capture to screen. */
  latency: number | null;
  roundTrip: number | null;
  clockOffset: number | null;
  /** Seconds. */
  buffer: number;
  /** Seconds wanted in hand besides what is needed; null where the transport keeps none. */
  bufferTarget: number | null;
  rate: number;
  pictures: number;
  bytes: number;
  /** Skipped by the server or the player. */
  dropped: number;
  /** Came too late for the screen. */
  unshown: number;
  reconnects: number;
  /** Pictures that stood still for more than 100 ms, or two and a half frames. */
  stalls?: number;
  /** What tells that there is another picture: `VideoDecoder`, `requestVideoFrameCallback`, `getVideoPlaybackQuality` or `currentTime`. */
  signal?: string;
  seeks?: number;
  gaps?: number;
  [more: string]: unknown;
}

export interface H5LiveEventMap {
  statechange: CustomEvent<{ state: State; reason: string }>;
  volumechange: Event;
  /** Of what was before, about once a second, and with each change; `null`: it is live. */
  position: CustomEvent<{ position: Date | null; speed: number }>;
}

/** `<h5-live src="NAME">` */
export class H5Live extends HTMLElement {
  /** Name of a stream of the server that the module came from, or the address of a stream's page. */
  src: string;
  muted: boolean;
  /** 0 to 1. */
  volume: number;
  transport: Transport;
  /** `auto`, or the name of one of the qualities that a group of streams has. */
  quality: string;
  /** `low`, `smooth`, or seconds to have in hand, up to 30. */
  latency: string;
  readonly state: State;
  readonly stats: Stats;
  /** From the live edge. */
  play(): void;
  /** Keeps the picture that is on the screen, until `play`. */
  pause(): void;
  /** Lets go of the connection; the last picture stays. */
  stop(): void;
  /** To the live edge, when paused or behind. */
  goLive(): void;
  /** Shows what was before: so many seconds before now, or a moment. The stream comes over a WebSocket then, and the viewer needs the right `rewind`. */
  rewind(time: number | Date | string): void;
  /** How fast it is played: 0.25 to 16, or backwards -1 to -16. */
  speed(speed: number): void;
  /** Stands still, so many pictures on or back. */
  step(pictures: number): void;
  /** Back to what is live. */
  live(): void;
  /** The moment that is on the screen, of what was before; null where it is live. */
  readonly position: Date | null;
  /** The picture in its full size, as a PNG. */
  snapshot(): Promise<Blob>;
  addEventListener<K extends keyof H5LiveEventMap>(type: K, listener: (this: H5Live, event: H5LiveEventMap[K]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof H5LiveEventMap>(type: K, listener: (this: H5Live, event: H5LiveEventMap[K]) => void, options?: boolean | EventListenerOptions): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
}

declare global {
  interface HTMLElementTagNameMap {
    'h5-live': H5Live;
  }
}
