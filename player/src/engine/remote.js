/**
 * The stream on another device: a television by Chromecast (Remote Playback API) or AirPlay. A device plays neither a MediaSource nor a canvas. It is given an address, which it asks
 * for by itself: so there is a `<video>` with the HLS playlist for it, of which nothing is loaded here.
 */
export class Remote {
  #video;
  #events;
  #isWatching = false;
  isAvailable = false;
  isConnected = false;

  /** @param {HTMLVideoElement} video  for the device alone @param {{changed: () => void, connected: (is: boolean) => void, failed: () => void}} events */
  constructor(video, events) {
    this.#video = video;
    this.#events = events;
    video.addEventListener('error', () => this.isConnected && this.#failed());
  }

  /** Is told by the browser whether there is a device for this address. */
  watch(address) {
    const video = this.#video;
    if (video.src !== address && !this.isConnected) video.src = address;
    if (this.#isWatching) return;
    this.#isWatching = true;
    const found = is => {
      this.isAvailable = is;
      this.#events.changed();
    };
    if (video.remote?.watchAvailability) {
      for (const state of ['connect', 'disconnect']) video.remote.addEventListener(state, () => this.#connected(state === 'connect'));
      video.remote.watchAvailability(found).catch(() => {});
    } else if (video.webkitShowPlaybackTargetPicker) {
      video.addEventListener('webkitcurrentplaybacktargetiswirelesschanged', () => this.#connected(Boolean(video.webkitCurrentPlaybackTargetIsWireless)));
      video.addEventListener('webkitplaybacktargetavailabilitychanged', ({ availability }) => found(availability === 'available'));
    }
  }

  /** From a gesture: the browser asks which device it is to be, or whether to let go of it. */
  async prompt() {
    const video = this.#video;
    try {
      await (video.remote?.watchAvailability ? video.remote.prompt() : video.webkitShowPlaybackTargetPicker());
    } catch (error) {
      // The viewer has thought better of it.
      if (!['NotAllowedError', 'AbortError'].includes(error.name)) this.#events.failed();
    }
  }

  /** Lets go of the device. */
  stop() {
    if (!this.isConnected) return;
    // The API has no other way to say it; AirPlay ends with its media.
    for (const is of [true, false]) this.#video.disableRemotePlayback = is;
    this.#connected(false);
  }

  #failed() {
    this.#events.failed();
    this.stop();
  }

  #connected(is) {
    if (is === this.isConnected) return;
    this.isConnected = is;
    const video = this.#video;
    if (is) {
      video.play().catch(error => error.name === 'AbortError' || this.#failed());
    } else {
      const address = video.src;
      video.removeAttribute('src');
      video.load();
      video.src = address;
    }
    this.#events.connected(is);
  }
}
