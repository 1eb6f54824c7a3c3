/** Shows a long text in a scrolling element: loads it in parts as one scrolls, marks places in it, names its pages. */

import { label } from './i18n.js';
import { TextWindow, runsOf } from './textwindow.js';

/** @typedef {import('./textwindow.js').Part} Part */
/** @typedef {import('./textwindow.js').Mark} Mark */
/** @typedef {{start: number, end: number}} Range in code points */

/** Text is loaded when less than so many heights of the view are left. */
const AHEAD = 2;

export class TextView {
  #scroll;
  #body;
  #onMove;
  #window = new TextWindow(() => Promise.reject(new Error('no document')));
  /** @type {Mark[]} */
  #quotes = [];
  /** @type {Mark[]} */
  #matches = [];
  /** @type {Map<Part, HTMLElement>} */
  #elements = new Map();
  #growing = false;

  /**
   * @param {HTMLElement} scroll
   * @param {HTMLElement} body inside it
   * @param {() => void} onMove another place is read
   */
  constructor(scroll, body, onMove) {
    this.#scroll = scroll;
    this.#body = body;
    this.#onMove = onMove;
    let asked = false;
    const moved = () => {
      asked = false;
      this.#grow();
      onMove();
    };
    scroll.addEventListener('scroll', () => {
      if (!asked) requestAnimationFrame(moved);
      asked = true;
    });
    scroll.addEventListener('keydown', (event) => this.#onKey(event));
  }

  get total() {
    return this.#window.total;
  }

  /**
   * Takes another text, shown from a place on; what was marked is forgotten.
   * @param {(start: number, end: number) => Promise<Part>} read
   * @param {Range} place
   * @returns {Promise<boolean>} false where another text has taken its place; rejects as `read` does
   */
  async load(read, { start, end }) {
    this.clear();
    const window = (this.#window = new TextWindow(read));
    if (!(await window.around(start, end)) || window !== this.#window) return false;
    this.#paint();
    return true;
  }

  clear() {
    this.#window = new TextWindow(() => Promise.reject(new Error('no document')));
    this.#quotes = [];
    this.#matches = [];
    this.#elements.clear();
    this.#body.replaceChildren();
  }

  /** @param {Range} range @returns {string|null} the text there, null where it is not on the page */
  textAt({ start, end }) {
    const part = this.#window.parts.find((one) => one.start <= start && one.end >= end);
    if (!part) return null;
    const [run] = runsOf({ ...part, pages: [] }, [{ start, end, kind: 'asked' }]).filter(({ kinds }) => kinds.length);
    return run?.text ?? '';
  }

  /** @param {Range[]} ranges */
  markQuotes(ranges) {
    this.#quotes = ranges.map((range) => ({ ...range, kind: 'quote' }));
    this.#repaint();
  }

  /** @param {Range[]} ranges */
  markMatches(ranges) {
    this.#matches = ranges.map((range) => ({ ...range, kind: 'match' }));
    this.#repaint();
  }

  /**
   * Scrolls to a place, which is loaded if need be.
   * @param {Range} range
   * @param {'quote'|'match'} [kind] of the mark that is there
   * @returns {Promise<HTMLElement|null>} its mark
   */
  async show({ start, end }, kind) {
    if (!this.#window.holds(start, end)) {
      if (!(await this.#window.around(start, end))) return null;
      this.#repaint();
    }
    const mark = kind ? this.#body.querySelector(`mark.${kind}[data-at="${start}"]`) : null;
    for (const other of this.#body.querySelectorAll('.here')) other.classList.remove('here');
    mark?.classList.add('here');
    if (!mark && start >= this.total) this.#scroll.scrollTop = this.#scroll.scrollHeight;
    else this.#lead(mark ?? this.#pointAt(start), mark ? 0.3 : 0);
    await this.#grow();
    this.#onMove();
    return mark;
  }

  /** Scrolls an element to a share of the view's height. */
  #lead(element, share) {
    const { top } = this.#scroll.getBoundingClientRect();
    this.#scroll.scrollTop += element.getBoundingClientRect().top - top - this.#scroll.clientHeight * share;
  }

  /** Where one reads: code points from the beginning, and the page. @returns {{place: number, page: number|null}} */
  get position() {
    const { top } = this.#scroll.getBoundingClientRect();
    const { clientHeight, scrollTop, scrollHeight } = this.#scroll;
    let page = null;
    for (const element of this.#body.querySelectorAll('.viewer-page')) {
      if (element.getBoundingClientRect().top > top + clientHeight / 3) break;
      page = Number(element.dataset.page);
    }
    const { parts } = this.#window;
    page ??= parts[0]?.pages[0]?.number ?? null;
    if (this.#window.end === this.total && scrollTop + clientHeight >= scrollHeight - 2) return { place: this.total, page };
    const part = parts.find((one) => this.#elements.get(one)?.getBoundingClientRect().bottom > top);
    if (!part) return { place: this.#window.start, page };
    const box = this.#elements.get(part).getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (top - box.top) / box.height));
    return { place: Math.round(part.start + share * (part.end - part.start)), page };
  }

  /** Home and End lead to the ends of the text, not to those of what is loaded. */
  #onKey(event) {
    const place = { Home: 0, End: this.total }[event.key];
    if (place === undefined || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.show({ start: place, end: place }).catch(() => {}); // stays where it is
  }

  /** An element at, or close above, a place. */
  #pointAt(place) {
    const part = this.#window.parts.find((one) => one.end > place) ?? this.#window.parts.at(-1);
    const element = this.#elements.get(part);
    const page = part.pages.findLast((one) => one.start <= place && one.start >= part.start);
    return (page && element.querySelector(`[data-page="${page.number}"]`)) ?? element;
  }

  async #grow() {
    if (this.#growing) return;
    this.#growing = true;
    try {
      for (let more = true; more; ) {
        const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
        const near = AHEAD * clientHeight;
        more = clientHeight > 0 && scrollTop < near && (await this.#window.before());
        if (!more && clientHeight > 0 && scrollHeight - scrollTop - clientHeight < near) more = await this.#window.after();
        if (more) this.#paint();
      }
    } catch {
      /* the next scroll tries again */
    } finally {
      this.#growing = false;
    }
  }

  #repaint() {
    const { scrollTop } = this.#scroll;
    for (const element of this.#elements.values()) element.remove();
    this.#elements.clear();
    this.#paint();
    this.#scroll.scrollTop = scrollTop;
  }

  /** Puts the parts that are held on the page, and no others; what is read stays in its place. */
  #paint() {
    const { parts } = this.#window;
    const stays = parts.map((part) => this.#elements.get(part)).find(Boolean);
    const before = stays?.getBoundingClientRect().top;
    for (const [part, element] of this.#elements) {
      if (parts.includes(part)) continue;
      element.remove();
      this.#elements.delete(part);
    }
    let next = null;
    for (const part of parts.toReversed()) {
      const element = this.#elements.get(part) ?? this.#elementOf(part);
      if (!element.isConnected) this.#body.insertBefore(element, next);
      this.#elements.set(part, element);
      next = element;
    }
    if (stays) this.#scroll.scrollTop += stays.getBoundingClientRect().top - before;
  }

  /** @param {Part} part */
  #elementOf(part) {
    const element = document.createElement('div');
    element.className = 'viewer-part';
    for (const run of runsOf(part, [...this.#quotes, ...this.#matches])) {
      if (run.page !== null) element.append(pageMark(run.page));
      if (!run.kinds.length) {
        element.append(run.text);
        continue;
      }
      const mark = document.createElement('mark');
      mark.classList.add(...run.kinds);
      mark.dataset.at = String(run.at);
      mark.textContent = run.text;
      element.append(mark);
    }
    return element;
  }
}

function pageMark(number) {
  const element = document.createElement('span');
  element.className = 'viewer-page';
  element.dataset.page = String(number);
  label(element, 'source_page', { page: number });
  return element;
}
