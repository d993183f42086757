/** What a viewer sees of the past, as the server and the picture on the screen say, and what is asked for as soon as there is a connection. Pure. */
export class Past {
  /** What the server said last, and when that picture was captured which is on the screen; null: it is live. */
  #shown = null;
  #wanted = null;
  #awaited = false;

  /** It is live, or is going to be. */
  reset() {
    this.#shown = this.#wanted = null;
    this.#awaited = false;
  }

  /** After a new connection: what comes before it is not what is meant to be seen. */
  get isAwaited() {
    return this.#awaited;
  }

  /** Not what is live. */
  get isShown() {
    return this.#shown !== null;
  }

  /** The moment that is shown; null where it is live. */
  get position() {
    const time = this.#shown?.captured ?? this.#shown?.time ?? null;
    return time === null ? null : new Date(time);
  }

  /** How fast it is played; 1 when it is live. */
  get speed() {
    return this.#shown?.speed ?? 1;
  }

  get paused() {
    return this.#shown?.paused ?? false;
  }

  set paused(paused) {
    if (this.#shown) this.#shown.paused = paused;
  }

  /** Something was asked for. */
  begin() {
    this.#shown ??= { time: null, captured: null, speed: 1, paused: false };
  }

  /** What the server says of it. */
  located(where) {
    this.#awaited = false;
    this.#shown = where.live ? null : { ...this.#shown, ...where, time: Date.parse(where.time) };
  }

  /** A picture is on the screen. @param {number | null} captured  Unix ms */
  seen(captured) {
    if (this.#shown) this.#shown.captured = captured;
  }

  /** To be asked for. @param {{type: string, value?: any}} message */
  want(message) {
    this.#wanted = [message];
  }

  /** What has to be asked for to see again what is seen now, as it is seen. */
  get again() {
    if (!this.position) return [];
    const speed = this.speed === 1 ? [] : [{ type: 'speed', value: this.speed }];
    return [{ type: 'seek', value: this.position }, ...speed, ...(this.paused ? [{ type: 'pause' }] : [])];
  }

  /** A new connection: it goes on where it was. */
  resume() {
    if (!this.position) return;
    this.#wanted ??= this.again;
    this.#awaited = true;
  }

  /** The server will not have it. */
  refused() {
    if (this.#awaited) this.reset();
  }

  get waits() {
    return this.#wanted !== null;
  }

  /** What is to be asked for. */
  take() {
    const wanted = this.#wanted ?? [];
    this.#wanted = null;
    return wanted;
  }
}
