/** A whole document: its text at a place, with what was quoted highlighted, and the original where a browser shows it. */

import { guardedFetch } from './door.js';
import { Finder } from './finder.js';
import { label, lang, name, write } from './i18n.js';
import { addressOf, hashOf, originalOf, placeIn } from './links.js';
import { indexAfter } from './points.js';
import { TextView } from './textview.js';

/** @typedef {{start: number, end: number}} Range in code points */

/**
 * @typedef {object} Shown
 * @property {number} [start] where to open it, in code points
 * @property {number} [end]
 * @property {number} [page] from 1: where to open it, without a start, and what to show of the original
 * @property {Range[]} [marks] what to highlight there; without them, all from start to end
 * @property {string} [quote] what stood from start to end
 * @property {boolean} [original] whether to show the original of a PDF
 */

/** Words searched for are at most so long. */
const LONGEST = 1_000;

class Missing extends Error {}

/** @param {string} address @param {AbortSignal} [signal] @returns {Promise<any>} */
async function read(address, signal) {
  const response = await guardedFetch(address, { signal, headers: { 'Accept-Language': lang() } });
  if (response.status === 404) throw new Missing(address);
  if (!response.ok) throw new Error(`${response.status} ${address}`);
  return response.json();
}

export class DocumentViewer {
  #dialog;
  #text;
  #finder;
  /** Id of the document that is shown. */
  #document = '';
  /** What the server tells of it. */
  #facts = null;
  #era = 0;
  /** How far the text was scrolled when the original took its place. */
  #read = 0;

  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.#dialog = dialog;
    this.#text = new TextView(this.#part('scroll'), this.#part('body'), () => this.#showPosition());
    this.#finder = new Finder(this.#part('find'), {
      find: (words, signal) => read(addressOf(this.#document, `/find?q=${encodeURIComponent(words)}`), signal),
      from: () => this.#text.position.place,
      onPlaces: (places) => this.#text.markMatches(places),
      onStep: (place) => this.#text.show(place, 'match').catch(() => this.#note('viewer_unreachable')),
    });
    dialog.querySelector('.close').addEventListener('click', () => dialog.close());
    dialog.querySelector('.as-text').addEventListener('click', () => this.#showText());
    dialog.querySelector('.as-original').addEventListener('click', () => this.#showOriginal(this.#text.position.page));
    dialog.addEventListener('close', () => this.#left());
    dialog.addEventListener('keydown', (event) => {
      // The browser's own search would see only what is loaded.
      if (event.code !== 'KeyF' || !(event.ctrlKey || event.metaKey) || this.#part('find').hidden) return;
      event.preventDefault();
      this.#finder.focus();
    });
    addEventListener('popstate', () => this.restore());
  }

  /**
   * Opens a document, as a step of the browser's history.
   * @param {string} document its id
   * @param {Shown} [shown]
   */
  open(document, shown = {}) {
    const { start, end, page } = shown;
    const hash = hashOf({ document, start, end, page: start === undefined ? page : undefined });
    if (hash !== location.hash) history.pushState({ viewer: true }, '', hash);
    return this.#show(document, shown);
  }

  /** Shows what the page's address names, or nothing. */
  restore() {
    const place = placeIn(location.hash);
    if (place) this.#show(place.document, place);
    else if (this.#dialog.open) this.#dialog.close();
  }

  #part(of) {
    return this.#dialog.querySelector(`.viewer-${of}`);
  }

  /** @param {string} document @param {Shown} shown */
  async #show(document, shown) {
    const era = ++this.#era;
    this.#reset(document);
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#part('scroll').focus();
    try {
      const [facts, from] = await Promise.all([read(addressOf(document)), this.#begin(document, shown)]);
      if (era !== this.#era) return;
      this.#showFacts(facts);
      const load = (start, end) => read(addressOf(document, `/text?start=${start}&end=${end}`));
      const place = { start: from, end: from + (shown.end ?? shown.start ?? 0) - (shown.start ?? 0) };
      if (!(await this.#text.load(load, place)) || era !== this.#era) return;
      const marks = await this.#findQuote(place, shown);
      if (era !== this.#era) return;
      this.#text.markQuotes(marks);
      const first = await this.#text.show(marks[0] ?? place, 'quote');
      if (first) first.tabIndex = -1;
      first?.focus({ preventScroll: true });
      if (shown.original && facts.type === 'pdf') await this.#showOriginal(shown.page);
    } catch (error) {
      if (era !== this.#era) return;
      if (!(error instanceof Missing)) this.#note('viewer_unreachable');
      else this.#note(shown.quote ? 'viewer_gone_quote' : 'viewer_gone', shown.quote);
    }
  }

  /** Where the text is to begin: the start, or that of the page. */
  async #begin(document, { start, page }) {
    if (start !== undefined || !page) return start ?? 0;
    return (await read(addressOf(document, `/text?page=${page}&start=0&end=0`))).start;
  }

  /**
   * What is to be highlighted: where the quote stood, or stands now if the document has changed.
   * @param {Range} place
   * @param {Shown} shown
   * @returns {Promise<Range[]>}
   */
  async #findQuote(place, { start, end, quote, marks }) {
    if (start === undefined || end === undefined || end <= start) return [];
    if (quote === undefined || this.#text.textAt(place) === quote) {
      return (marks ?? [place]).filter((mark) => mark.start < this.#text.total);
    }
    const words = quote.slice(0, indexAfter(quote, LONGEST)).trim();
    const { places } = await read(addressOf(this.#document, `/find?q=${encodeURIComponent(words)}`));
    this.#note(places.length ? 'viewer_moved' : 'viewer_changed', places.length ? undefined : quote);
    return places.slice(0, 1).map(([from, to]) => ({ start: from, end: to }));
  }

  #reset(document) {
    this.#document = document;
    this.#facts = null;
    this.#read = 0;
    this.#finder.clear();
    this.#text.clear();
    this.#showText();
    this.#part('note').hidden = true;
    this.#part('switch').hidden = true;
    this.#part('link').hidden = true;
    this.#part('find').hidden = true;
    this.#part('place').hidden = true;
    label(this.#part('title'), 'viewer_loading');
    this.#part('facts').hidden = true;
  }

  #showFacts(facts) {
    this.#facts = facts;
    write(this.#part('title'), String(facts.title || facts.name));
    const { pages, characters, name: file } = facts;
    const values = { type: String(facts.type).toUpperCase(), pages, characters, name: String(file) };
    this.#part('facts').hidden = false;
    label(this.#part('facts'), pages ? 'viewer_facts_pages' : 'viewer_facts', values);
    const isPdf = facts.type === 'pdf';
    this.#part('switch').hidden = !isPdf;
    this.#part('find').hidden = false;
    this.#part('place').hidden = false;
    const link = this.#part('link');
    link.hidden = false;
    link.href = isPdf ? originalOf(this.#document) : addressOf(this.#document, '/original');
    link.target = isPdf ? '_blank' : '';
    link.toggleAttribute('download', !isPdf);
    label(link, isPdf ? 'viewer_tab' : 'viewer_save');
  }

  /** @param {string} key @param {string} [quote] the passage as it was */
  #note(key, quote) {
    if (key.startsWith('viewer_gone')) {
      label(this.#part('title'), 'viewer_gone_title');
      this.#part('facts').hidden = true;
    }
    this.#part('note').hidden = false;
    label(this.#part('words'), key);
    this.#part('quote').hidden = quote === undefined;
    this.#part('quote').textContent = quote ?? '';
  }

  #showPosition() {
    if (!this.#facts) return;
    const { place, page } = this.#text.position;
    const percent = Math.round((100 * place) / (this.#text.total || 1));
    const { pages } = this.#facts;
    if (page && pages) label(this.#part('place'), 'viewer_place_page', { page, pages, percent });
    else label(this.#part('place'), 'viewer_place', { percent });
  }

  // ---------------------------------------------------------------- the original

  #showText() {
    this.#toggle(false);
    this.#frame().removeAttribute('src');
  }

  /** @param {number|null} [page] */
  async #showOriginal(page) {
    if (navigator.pdfViewerEnabled === false) return this.#note('viewer_no_pdf');
    const era = this.#era;
    const address = originalOf(this.#document, page ?? undefined);
    const { ok } = await guardedFetch(address, { method: 'HEAD' }).catch(() => ({ ok: false }));
    if (era !== this.#era) return;
    if (!ok) return this.#note('viewer_no_original');
    this.#toggle(true);
    const frame = this.#frame();
    frame.src = originalOf(this.#document, page ?? undefined);
    name(frame, 'viewer_original_of', { title: this.#part('title').textContent });
    this.#part('link').href = address;
  }

  /** A fresh frame: what an old one loads would be a step of the history. */
  #frame() {
    const old = this.#part('original');
    const fresh = old.cloneNode();
    fresh.removeAttribute('src');
    old.replaceWith(fresh);
    return fresh;
  }

  #toggle(original) {
    const scroll = this.#part('scroll');
    if (original) this.#read = scroll.scrollTop;
    this.#part('original').hidden = !original;
    for (const of of ['scroll', 'find', 'place']) this.#part(of).hidden = original;
    if (!original) scroll.scrollTop = this.#read;
    this.#dialog.querySelector('.as-text').setAttribute('aria-pressed', String(!original));
    this.#dialog.querySelector('.as-original').setAttribute('aria-pressed', String(original));
  }

  #left() {
    this.#era++;
    this.#reset('');
    if (!placeIn(location.hash)) return;
    if (history.state?.viewer) history.back();
    else history.replaceState(history.state, '', location.pathname + location.search);
  }
}
