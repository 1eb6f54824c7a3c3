/** The search inside a document: what is typed, how many places there are, and which one is looked at. */

import { label, write } from './i18n.js';
import { isComposing } from './shortcuts.js';

/** @typedef {{start: number, end: number}} Range in code points */
/** @typedef {{places: [number, number][], more: boolean}} Found */

const TYPING_MS = 250;

/**
 * @param {Range[]} places in order
 * @param {number} from
 * @returns {number} index of the first place at or after `from`, or the first of all; -1 where there is none
 */
export function firstFrom(places, from) {
  if (!places.length) return -1;
  return Math.max(0, places.findIndex(({ start }) => start >= from));
}

/**
 * @typedef {object} Parts
 * @property {(words: string, signal: AbortSignal) => Promise<Found>} find rejects where the search failed
 * @property {() => number} from the place that is read now
 * @property {(places: Range[]) => void} onPlaces
 * @property {(place: Range) => void} onStep this place is to be shown
 */

export class Finder {
  #input;
  #count;
  #buttons;
  #parts;
  /** @type {Range[]} */
  #places = [];
  #more = false;
  #current = -1;
  #timer;
  #running = new AbortController();
  #asked = '';

  /**
   * @param {HTMLFormElement} form
   * @param {Parts} parts
   */
  constructor(form, parts) {
    this.#parts = parts;
    this.#input = form.querySelector('input');
    this.#count = form.querySelector('.viewer-count');
    this.#buttons = form.querySelectorAll('button');
    this.#input.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#run(), TYPING_MS);
    });
    this.#input.addEventListener('keydown', (event) => this.#onKey(event));
    form.querySelector('.previous').addEventListener('click', () => this.#step(-1));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#step(1);
    });
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  /** Forgets the search, for another document. */
  clear() {
    clearTimeout(this.#timer);
    this.#running.abort();
    this.#input.value = this.#asked = '';
    this.#take([], false);
  }

  #onKey(event) {
    if (isComposing(event)) return;
    if (event.key === 'Escape' && this.#input.value) {
      event.preventDefault(); // the first one leaves the search, the next one the document
      event.stopPropagation();
      this.clear();
      this.#parts.onPlaces([]);
    } else if (event.key === 'Enter' && event.shiftKey) {
      event.preventDefault();
      this.#step(-1);
    }
  }

  async #run() {
    clearTimeout(this.#timer);
    this.#running.abort();
    const words = this.#input.value.trim();
    this.#asked = words;
    const { signal } = (this.#running = new AbortController());
    let found = { places: [], more: false };
    try {
      if (words) found = await this.#parts.find(words, signal);
    } catch {
      if (signal.aborted) return;
      this.#asked = '';
      this.#take([], false);
      return label(this.#count, 'viewer_failed');
    }
    if (signal.aborted) return;
    this.#take(found.places.map(([start, end]) => ({ start, end })), found.more);
    this.#parts.onPlaces(this.#places);
    this.#current = firstFrom(this.#places, this.#parts.from());
    this.#show();
  }

  #step(by) {
    if (this.#input.value.trim() !== this.#asked) return this.#run();
    const { length } = this.#places;
    if (!length) return;
    this.#current = (this.#current + by + length) % length;
    this.#show();
  }

  #show() {
    this.#write();
    if (this.#current >= 0) this.#parts.onStep(this.#places[this.#current]);
  }

  #take(places, more) {
    this.#places = places;
    this.#more = more;
    this.#current = -1;
    for (const button of this.#buttons) button.disabled = !places.length;
    this.#write();
  }

  #write() {
    const total = this.#places.length;
    if (!this.#asked) write(this.#count, '');
    else if (!total) label(this.#count, 'viewer_none');
    else label(this.#count, this.#more ? 'viewer_count_more' : 'viewer_count', { n: this.#current + 1, total });
  }
}
