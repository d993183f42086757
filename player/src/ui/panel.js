import { KEYS } from './keys.js';
import { bufferTargetOf } from '../engine/jitter.js';
import { button, h, label, shape, tell } from './dom.js';

/** In a smaller player the panels lie at the foot of the window instead. */
const ROOMY = { width: 560, height: 400 };

/** A sheet that lies over the picture, or over the window where the player is small. */
class Sheet {
  /** @param {string} name of its part @param {string} title key of its text */
  constructor(name, title, language) {
    const close = button('close', () => this.close());
    const head = h('h2', { id: `${name}-title` });
    this.body = h('div', { class: 'body' });
    this.element = h('section', { class: `sheet ${name}`, part: `panel ${name}-panel`, role: 'dialog', 'aria-labelledby': `${name}-title`, hidden: '' }, h('header', {}, head, close), this.body);
    language.follow(() => {
      tell(head, language.say(title));
      label(close, language.say('close'));
    });
    this.closeButton = close;
  }

  get isOpen() {
    return !this.element.hidden;
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }

  open() {
    const { element } = this;
    const { width, height } = element.parentNode.getBoundingClientRect();
    const inside = width >= ROOMY.width && height >= ROOMY.height;
    this.before = element.getRootNode().activeElement;
    element.hidden = false;
    // Only the top layer is free of the player's bounds.
    element.popover = inside ? null : 'manual';
    if (!inside) element.showPopover?.();
    this.closeButton.focus({ preventScroll: true });
  }

  close() {
    if (!this.isOpen) return;
    const hadFocus = this.element.contains(this.element.getRootNode().activeElement);
    this.element.popover = null;
    this.element.hidden = true;
    if (hadFocus) this.before?.focus({ preventScroll: true });
  }
}

/** Every key, on "?". */
export class Help extends Sheet {
  constructor(language) {
    super('help', 'help', language);
    const rows = KEYS.map(({ keys, text }) => {
      const words = h('dd');
      language.follow(() => tell(words, language.say(text)));
      return h('div', {}, h('dt', {}, ...keys.map(key => h('kbd', {}, key))), words);
    });
    this.body.append(h('dl', {}, ...rows));
  }
}

/** Those that are short enough to stand two in a row. */
const SHORT = ['bitrate', 'buffer', 'dropped', 'unshown', 'stalls', 'reconnects'];
/** Rows of the statistics: key of the text, and how it is written. What is null is left out. */
const ROWS = {
  why: (s, language) => (s.why ? language.reason(s.why) : null),
  codecs: s => s.codecs || null,
  picture: s => (s.width ? `${s.width} × ${s.height}${s.fps === null ? '' : `, ${s.fps.toFixed(1)} fps`}` : null),
  bitrate: s => bits(s.bitrate),
  bufferTarget: (s, language) => (s.bufferTarget === null ? language.say('notHere') : null),
  buffer: s => (s.buffer > 0 ? `${milliseconds(1000 * s.buffer)}${s.rate === 1 ? '' : `, ${s.rate}×`}` : null),
  dropped: s => String(s.dropped),
  unshown: s => String(s.unshown),
  stalls: s => String(s.stalls ?? 0),
  reconnects: s => String(s.reconnects),
  roundTrip: s => (s.roundTrip === null ? null : milliseconds(s.roundTrip)),
};

/** The statistics: the course of the latency, the choice of a transport, and numbers. */
export class Panel extends Sheet {
  #language;
  #rows = {};
  #graph = new Graph();
  #latency = h('strong');
  #latencyMore = h('span');
  #choice;
  #quality;
  #qualities;
  #latencies;

  /** @param {Language} language @param {{transports: [string, string][], transport(name: string): void, quality(name: string): void, latencies: string[], latency(choice: string): void, copy(): void, help(): void}} options */
  constructor(language, { transports, transport, quality, latencies, latency, copy, help }) {
    super('stats', 'stats', language);
    this.#language = language;
    const words = (tag, key, attributes) => {
      const element = h(tag, attributes);
      language.follow(() => tell(element, language.say(key)));
      return element;
    };
    const automatic = words('option', 'automatic', { value: 'auto' });
    this.#choice = h('select', { id: 'transport', part: 'transport' }, automatic, ...transports.map(([value, name]) => h('option', { value }, name)));
    this.#choice.addEventListener('change', () => transport(this.#choice.value));
    this.#quality = h('select', { id: 'quality', part: 'quality' });
    this.#quality.addEventListener('change', () => quality(this.#quality.value));
    this.#qualities = h('div', { class: 'choice', hidden: '' }, words('label', 'quality', { for: 'quality' }), this.#quality);
    this.#latencies = h('select', { id: 'latency', part: 'latency-choice' }, ...latencies.map(choice => this.#latencyOption(choice)));
    this.#latencies.addEventListener('change', () => latency(this.#latencies.value));
    const rows = Object.keys(ROWS).map(name => {
      const value = h('dd');
      const row = h('div', SHORT.includes(name) ? { class: 'short' } : {}, words('dt', name), value);
      this.#rows[name] = { row, value };
      return row;
    });
    this.body.append(
      h('div', { class: 'headline' }, words('span', 'latency'), this.#latency, this.#latencyMore),
      this.#graph.element,
      h('div', { class: 'choice' }, words('label', 'transport', { for: 'transport' }), this.#choice),
      this.#qualities,
      h('div', { class: 'choice' }, words('label', 'bufferTarget', { for: 'latency' }), this.#latencies),
      h('dl', {}, ...rows),
      h('footer', {},
        button('copy', copy, { class: 'text' }, words('span', 'copyJson')),
        button('help', help, { class: 'text' }, words('span', 'help'))));
  }

  #latencyOption(choice) {
    const option = h('option', { value: choice });
    const words = { low: () => this.#language.say('lowest'), smooth: () => this.#language.say('smooth', { s: bufferTargetOf('smooth') }) };
    this.#language.follow(() => tell(option, (words[choice] ?? (() => this.#language.say('seconds', { s: choice })))()));
    return option;
  }

  /**
   * @param {object} stats of the player @param {[number, number | null][]} latencies of the last minute
   * @param {{transport: string, quality: string, latency: string}} chosen  the attributes
   * @param {{name: string, height: number | null}[]} qualities
   */
  show(stats, latencies, { transport: choice, quality, latency }, qualities) {
    if (!this.isOpen) return;
    this.#showLatency(latency);
    this.#showQualities(qualities, quality, stats.quality);
    const known = stats.latency !== null;
    tell(this.#latency, known ? milliseconds(stats.latency) : '–');
    tell(this.#latencyMore, this.#language.say(known || !stats.width ? 'latencyMore' : 'latencyUnknown'));
    this.#graph.show(latencies, this.#language);
    if (this.#choice.value !== choice && this.#choice !== this.#choice.getRootNode().activeElement) this.#choice.value = choice;
    for (const option of this.#choice.options) {
      const now = option.value === 'auto' && choice === 'auto' && stats.transport;
      if (option.value === 'auto') tell(option, this.#language.say('automatic') + (now ? ` (${stats.transport})` : ''));
    }
    for (const [name, { row, value }] of Object.entries(this.#rows)) {
      const text = ROWS[name](stats, this.#language);
      row.hidden = text === null;
      tell(value, text ?? '');
    }
  }

  /** Only where there is a choice. `shown`: the one that is shown. */
  #showQualities(qualities, chosen, shown) {
    this.#qualities.hidden = qualities.length < 2;
    const select = this.#quality;
    if (this.#qualities.hidden || select === select.getRootNode().activeElement) return;
    const words = ({ name, height }) => (height ? `${name} (${height}p)` : name);
    const now = qualities.find(({ name }) => name === shown);
    const automatic = this.#language.say('automatic') + (chosen === 'auto' && now ? ` (${words(now)})` : '');
    const options = [['auto', automatic], ...qualities.map(quality => [quality.name, words(quality)])];
    while (select.options.length > options.length) select.options[options.length].remove();
    for (const [i, [value, text]] of options.entries()) {
      const option = select.options[i] ?? select.appendChild(h('option'));
      option.value = value;
      tell(option, text);
    }
    select.value = qualities.some(({ name }) => name === chosen) ? chosen : 'auto';
  }

  /** A page may have chosen what is not in the list. */
  #showLatency(latency) {
    const select = this.#latencies;
    if (select.value === latency || select === select.getRootNode().activeElement) return;
    if (![...select.options].some(option => option.value === latency)) select.append(this.#latencyOption(latency));
    select.value = latency;
  }
}

const GRAPH = { width: 300, height: 64, seconds: 60 };

/** The latency of the last minute as a line; a gap is a gap. */
class Graph {
  #line = shape('path', { class: 'line' });
  #area = shape('path', { class: 'area' });
  #high = h('span');
  #low = h('span', {}, '0');
  #since = h('span');

  constructor() {
    const { width, height } = GRAPH;
    this.svg = shape('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', part: 'graph' }, shape('path', { class: 'grid', d: `M0 ${height / 2}H${width}` }), this.#area, this.#line);
    this.element = h('figure', {}, this.svg, h('figcaption', { 'aria-hidden': 'true' }, this.#high, this.#low, this.#since));
  }

  show(latencies, language) {
    const known = latencies.filter(([, ms]) => ms !== null).map(([, ms]) => ms);
    this.element.hidden = known.length < 2;
    if (this.element.hidden) return;
    const top = roundUp(1.15 * Math.max(...known));
    const { width, height, seconds } = GRAPH;
    const runs = [[]];
    for (const [ago, ms] of latencies) {
      if (ms === null) runs.push([]);
      else runs.at(-1).push(`${(width * (1 - ago / seconds)).toFixed(1)} ${(height * (1 - ms / top)).toFixed(1)}`);
    }
    const drawn = runs.filter(run => run.length > 1);
    this.#line.setAttribute('d', drawn.map(run => `M${run.join('L')}`).join(''));
    this.#area.setAttribute('d', drawn.map(run => `M${run[0].split(' ')[0]} ${height}L${run.join('L')}L${run.at(-1).split(' ')[0]} ${height}Z`).join(''));
    tell(this.#high, milliseconds(top));
    tell(this.#since, language.say('minute'));
    this.svg.setAttribute('aria-label', language.say('latencyGraph', { low: milliseconds(Math.min(...known)), high: milliseconds(Math.max(...known)) }));
  }
}

/** The next of 1, 2, 5 × 10ⁿ, at least 50 ms: a scale that stays. */
function roundUp(ms) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(ms, 50)));
  return unit * [1, 2, 5, 10].find(step => step * unit >= Math.max(ms, 50));
}

/** A time for people. */
export function milliseconds(ms) {
  return Math.abs(ms) < 1000 ? `${ms < 10 ? Math.max(0, ms).toFixed(1) : Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function bits(rate) {
  if (rate === null) return null;
  return rate < 1e6 ? `${Math.round(rate / 1e3)} kbit/s` : `${(rate / 1e6).toFixed(2)} Mbit/s`;
}
