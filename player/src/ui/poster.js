import { h } from './dom.js';

/** A still picture where there is none of the stream yet. It is asked for after all else, and not before it could be seen; without it, nothing is missing. */
export class Poster {
  element = h('img', { part: 'poster', alt: '', hidden: '', loading: 'lazy', decoding: 'async', fetchpriority: 'low' });
  #address = '';

  constructor() {
    this.element.addEventListener('error', () => this.#use(''));
  }

  /** @param {string} address  of the picture; '': none is wanted */
  show(address) {
    if (address === this.#address) return;
    this.#address = address;
    this.#use(address);
  }

  #use(address) {
    this.element.hidden = address === '';
    if (address) this.element.src = address;
    else this.element.removeAttribute('src');
  }
}
