/** The part of a long text that is on the page, in pieces that end at line ends. Places are counted in code points. */

import { indexAfter, pointsIn } from './points.js';

/**
 * @typedef {{start: number, end: number, text: string, total: number, pages: Page[]}} Part
 * @typedef {{number: number, start: number, end: number}} Page
 * @typedef {{start: number, end: number, kind: string}} Mark
 * @typedef {{text: string, kinds: string[], at: number, page: number|null}} Run
 *   a text of one look; `page` begins with it, `at` is where its mark begins
 */

/** Code points fetched at once. */
export const PART = 20_000;
/** Parts kept; the farthest are let go, so a book costs no more than a chapter. */
export const MOST = 8;

/**
 * Cuts a part at its lines, so that no line is torn: its beginning where there is text before it, its end where there
 * is text after it.
 * @param {Part} part
 * @param {number} head index up to which its beginning may be cut
 * @param {number} tail index from which on its end may be cut
 * @returns {Part}
 */
export function atLines(part, head, tail) {
  const { text } = part;
  const first = text.indexOf('\n') + 1;
  const last = text.lastIndexOf('\n') + 1;
  const from = part.start > 0 && first <= head ? first : 0;
  const to = part.end < part.total && last > Math.max(tail, from) ? last : text.length;
  const start = part.start + pointsIn(text.slice(0, from));
  const end = part.end - pointsIn(text.slice(to));
  const pages = part.pages.filter((page) => page.start < end && page.end > start);
  return { ...part, start, end, text: text.slice(from, to), pages };
}

/**
 * Splits a part where its look changes.
 * @param {Part} part
 * @param {Mark[]} marks of the whole text, in any order
 * @returns {Run[]}
 */
export function runsOf(part, marks) {
  const inside = marks.filter((mark) => mark.start < part.end && mark.end > part.start);
  const begins = new Map(part.pages.filter(({ start }) => start >= part.start).map((page) => [page.start, page.number]));
  const borders = new Set([part.start, ...begins.keys()]);
  for (const { start, end } of inside) borders.add(Math.max(start, part.start)).add(Math.min(end, part.end));
  borders.delete(part.end);
  const places = [...borders].sort((a, b) => a - b);
  let index = 0;
  return places.map((place, n) => {
    const from = index;
    const next = places[n + 1];
    index = next === undefined ? part.text.length : indexAfter(part.text, next - place, from);
    const over = inside.filter((mark) => mark.start <= place && mark.end > place);
    return {
      text: part.text.slice(from, index),
      kinds: [...new Set(over.map((mark) => mark.kind))],
      at: over.at(-1)?.start ?? place,
      page: begins.get(place) ?? null,
    };
  });
}

export class TextWindow {
  /** In the order of the text, each beginning where the one before it ends. @type {Part[]} */
  parts = [];
  total = 0;
  #read;
  #era = 0;
  #busy = false;

  /** @param {(start: number, end: number) => Promise<Part>} read */
  constructor(read) {
    this.#read = read;
  }

  get start() {
    return this.parts[0]?.start ?? 0;
  }

  get end() {
    return this.parts.at(-1)?.end ?? 0;
  }

  /** @param {number} start @param {number} end whether all of it is here */
  holds(start, end) {
    return this.parts.length > 0 && start >= this.start && end <= this.end;
  }

  /**
   * Begins anew around a place.
   * @param {number} start
   * @param {number} end
   * @returns {Promise<boolean>} false where another call has taken over
   */
  async around(start, end) {
    const era = ++this.#era;
    this.#busy = false;
    const from = Math.max(0, start - PART / 2);
    const part = await this.#read(from, Math.max(start, Math.min(end, start + PART)) + PART / 2);
    if (era !== this.#era) return false;
    const head = indexAfter(part.text, start - part.start);
    this.parts = [atLines(part, head, indexAfter(part.text, end - start, head))];
    this.total = part.total;
    return true;
  }

  /** One more part before the first. @returns {Promise<boolean>} whether there was one */
  before() {
    return this.#more(this.start > 0, async () => {
      const part = await this.#read(Math.max(0, this.start - PART), this.start);
      return () => {
        this.total = part.total;
        this.parts = [atLines(part, part.text.length / 2, part.text.length), ...this.parts].slice(0, MOST);
      };
    });
  }

  /** One more part after the last. @returns {Promise<boolean>} whether there was one */
  after() {
    return this.#more(this.end < this.total, async () => {
      const part = await this.#read(this.end, this.end + PART);
      return () => {
        this.total = part.total;
        this.parts = [...this.parts, atLines(part, 0, part.text.length / 2)].slice(-MOST);
      };
    });
  }

  async #more(isThere, read) {
    if (!isThere || this.#busy) return false;
    const era = this.#era;
    this.#busy = true;
    try {
      const take = await read();
      if (era !== this.#era) return false;
      take();
      return true;
    } finally {
      if (era === this.#era) this.#busy = false;
    }
  }
}
