/**
 * One attempt to play a stream over one transport: it begins when it is made, and plays until it fails or is stopped. A transport takes its
 * element, the addresses of the stream with what is asked of it, and the events. What it says for itself it overrides here.
 *
 * @typedef {object} TransportEvents
 * @property {(picture: {captured: number | null, at: number}) => void} shown  a picture is on the screen at wall-clock time `at`; when it was captured,
 *   by the clock of the machine that captured it. Both are Unix ms
 * @property {() => void} leaving               the picture is about to go, though no call asked for that
 * @property {(info: object) => void} info       what the server said of the stream
 * @property {() => void} blocked                the browser refuses to play before a gesture
 * @property {(reason: string, how?: Failure) => void} failed  the end of the attempt
 * @property {() => void} live                  it had to ask for what is live, though the past is shown
 * @property {(where: object) => void} position  what the server said of the past that it plays: `{live: true}`, or which moment has which media time
 * @property {(reason: string) => void} refused  the server cannot do what was asked of the past
 *
 * @typedef {object} Failure
 * @property {boolean} [unplayable]  another attempt of the same kind would fail likewise
 * @property {'jpeg' | 'mp4'} [kind]  what the stream is, if not what this transport is for
 * @property {string} [cure]  what people can do about it
 * @property {number} [until]  when it may be tried again, Unix ms
 * @property {boolean} [forSound]  without sound it can be played
 * @property {boolean} [soon]  there is something to play at once
 * @property {boolean} [unreachable]  no connection was made
 * @property {boolean} [denied]  the right to watch has ended
 */
export class Transport {
  /** The name that people read. */
  static label = '';
  /** The element that shows the picture: `video`, `image` or `canvas`. */
  static surface = 'video';
  /** Whether it can have sound. */
  static sound = false;

  /** Whether it can keep in hand what the viewer wants. */
  static buffers = false;

  /** Why this cannot be used here; '' if it can. */
  static refusal() {
    return '';
  }

  /** RFC 6381, separated by commas. */
  codecs = '';
  /** Frames that the server left out. */
  dropped = 0;
  /** The WebSocket; null without one. */
  link = null;

  /** Ends the attempt. No event comes after it. */
  stop() {}

  /** The page is visible again. */
  foreground() {}

  /** Takes sound in, or leaves it out. @param {boolean} sound @returns {boolean} false: that takes another attempt */
  listen(sound) {
    this.foreground();
    return true;
  }

  /** 0 to 1; the volume of `<video>` is set by its own property. */
  set volume(volume) {}

  /** What the viewer wants in hand besides what is needed, seconds. */
  set bufferTarget(seconds) {}

  get hasSound() {
    return false;
  }

  /** What tells that there is another picture; '' before the first one. */
  get signal() {
    return '';
  }

  /** Pictures that came and were never on the screen. */
  get unshown() {
    return 0;
  }

  /** What was before is shown: it is not late, and it may come without its sound. */
  past = false;

  /** Stands still. @returns {number | null} at the picture of this media time, seconds, though more has come; null: at the last that comes */
  stand() {
    return null;
  }

  /** Goes on from there. */
  goOn() {}

  /** A message about the past; says whether it was one. @param {{type: string, value: any}} message @param {TransportEvents} events */
  ofPast({ type, value }, events) {
    if (type === 'error' && /^(seek|speed|pause|step|rewind):/.test(value)) events.refused(String(value));
    else if (type === 'position' && value) {
      this.past = !value.live;
      events.position(value);
    } else return false;
    return true;
  }
}

/** A `<video>` lets go of its decoder and of what it has buffered. */
export function unload(video) {
  if (!video.srcObject && !video.src) return;
  video.srcObject = null;
  video.removeAttribute('src');
  video.load();
}
