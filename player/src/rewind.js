import { Language, h, icon, label, tell } from './h5live.js';
import { TimeLine } from './timeline.js';

/** The bar below a live picture by which one goes through what was before, in the picture itself. Loaded when somebody opens it. */

const STEP_S = 10;
/** From backwards to forwards. */
const SPEEDS = [-16, -4, -1, 0.25, 0.5, 1, 2, 4, 16];
const TICK_MS = 200;

const language = new Language();
const say = (key, values) => language.say(key, values);
let open = null;

/** Opens the bar of a player, or closes it, and then the picture is live. `cut` opens what cuts pieces of the stream of this name. @returns {boolean} it is open */
export function toggleRewind(live, name, cut) {
  if (open) open.close();
  else open = new Bar(live, name, cut);
  return open !== null;
}

class Bar {
  #live;
  #time = h('output', { 'aria-live': 'off' });
  #play = this.#named('pause', () => this.#toggle());
  #speed = h('select', { 'aria-label': say('speed'), title: `${say('speed')} (< >)` }, ...SPEEDS.map(speed => h('option', { value: speed }, `${speed}×`.replace('-', '−'))));
  #edge = h('button', { type: 'button', class: 'main' }, say('goLive'));
  #said = h('p', { role: 'status' });
  #line;
  #element;
  #timer = setInterval(() => this.#show(), TICK_MS);

  constructor(live, name, cut) {
    this.#live = live;
    const act = (text, key, run) => {
      const button = h('button', { type: 'button', 'aria-keyshortcuts': key }, text);
      button.addEventListener('click', run);
      return button;
    };
    const named = (text, words, key, run) => {
      const button = act(text, key, run);
      label(button, `${words} (${key === 'ArrowLeft' ? '←' : key === 'ArrowRight' ? '→' : key})`);
      return button;
    };
    this.#speed.value = 1;
    this.#speed.addEventListener('change', () => live.speed(Number(this.#speed.value)));
    this.#edge.addEventListener('click', () => live.live());
    this.#line = new TimeLine(name, {
      seek: time => live.rewind(new Date(1000 * time)),
      position: () => live.position && live.position.getTime() / 1000,
      live: () => live.live(),
      said: text => tell(this.#said, text),
    });
    const bar = h('div', { class: 'rewind', role: 'group', 'aria-label': say('earlier') },
      named(`−${STEP_S} s`, say('clipBack', { s: STEP_S }), 'ArrowLeft', () => this.#seek(-STEP_S)),
      named('‹', say('stepBack'), ',', () => live.step(-1)), this.#play, named('›', say('stepOn'), '.', () => live.step(1)),
      named(`+${STEP_S} s`, say('clipOn', { s: STEP_S }), 'ArrowRight', () => this.#seek(STEP_S)),
      this.#speed, this.#time, this.#edge, act(say('cutPiece'), '', cut));
    live.addEventListener('position', this.#onposition);
    document.addEventListener('keydown', this.#onkey);
    this.#element = h('section', { class: 'earlier', 'aria-label': say('earlier') }, this.#line.element, this.#said, bar);
    live.after(this.#element);
    this.#line.open();
    this.#show();
  }

  close() {
    clearInterval(this.#timer);
    this.#live.removeEventListener('position', this.#onposition);
    document.removeEventListener('keydown', this.#onkey);
    this.#line.close();
    this.#element.remove();
    if (this.#live.position) this.#live.live();
    open = null;
  }

  #named(name, run) {
    const button = h('button', { type: 'button', class: 'round' }, icon(name));
    button.dataset.icon = name;
    button.addEventListener('click', run);
    return button;
  }

  /** The server's clock says how long ago what is live was; what is shown says its own time. */
  #seek(seconds) {
    const { position } = this.#live;
    if (position) this.#live.rewind(new Date(position.getTime() + 1000 * seconds));
    else if (seconds < 0) this.#live.rewind(-seconds);
  }

  get #stands() {
    return this.#live.state === 'paused';
  }

  /** What is live stands still as what was before does: it goes on from there. */
  #toggle() {
    if (this.#stands) return this.#live.play();
    if (!this.#live.position) this.#live.rewind(1);
    this.#live.pause();
  }

  #onposition = ({ detail }) => {
    if (!this.#speed.matches(':focus')) this.#speed.value = detail.speed;
    this.#show();
  };

  #onkey = event => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.composedPath()[0].closest?.('input, select, textarea, dialog')) return;
    const at = SPEEDS.indexOf(Number(this.#speed.value));
    const faster = by => {
      this.#speed.value = SPEEDS[at + by] ?? SPEEDS[at];
      this.#live.speed(Number(this.#speed.value));
    };
    const keys = { ArrowLeft: () => this.#seek(-STEP_S), ArrowRight: () => this.#seek(STEP_S), ',': () => this.#live.step(-1), '.': () => this.#live.step(1), '<': () => faster(-1), '>': () => faster(1) };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };

  #show() {
    const { position } = this.#live;
    const name = this.#stands ? 'play' : 'pause';
    if (this.#play.dataset.icon !== name) {
      this.#play.dataset.icon = name;
      this.#play.replaceChildren(icon(name));
    }
    label(this.#play, say(name));
    this.#line.tick();
    tell(this.#time, position ? position.toLocaleString(language.name) : say('live'));
    this.#edge.disabled = !position;
  }
}
