/** The sources of one answer: a column beside the conversation, or a sheet over it where there is no room. */

import { citedIn } from './citations.js';
import { leavable } from './dialog.js';
import { label, name } from './i18n.js';
import { citedSpans, inContext, placeOf, relevance, titleOf } from './passages.js';
import { pointsIn } from './points.js';
import { isComposing } from './shortcuts.js';
import { fromTemplate } from './template.js';

/** @typedef {import('./client.js').Answer} Answer */
/** @typedef {import('./client.js').Source} Source */

const WIDE = '(min-width: 1100px)';

export class SourcesPanel {
  #dialog;
  #list;
  #onOpen;
  #wide = matchMedia(WIDE);
  /** What is shown. @type {Answer|null} */
  #answer = null;
  /** Where the focus goes back to. @type {HTMLElement|null} */
  #from = null;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {(document: string, place: import('./viewer.js').Shown) => void} onOpen a document is to be shown
   */
  constructor(dialog, onOpen) {
    this.#dialog = dialog;
    this.#list = dialog.querySelector('.source-cards');
    this.#onOpen = onOpen;
    leavable(dialog, () => this.close());
    dialog.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || isComposing(event)) return;
      event.preventDefault();
      this.close();
    });
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      this.close();
    });
    this.#wide.addEventListener('change', () => {
      if (!dialog.open) return;
      dialog.close();
      this.#unfold();
    });
  }

  /**
   * @param {Answer} answer
   * @param {number} [number] of the source that is looked for
   */
  open(answer, number = 1) {
    if (!answer.sources?.length) return;
    const { activeElement } = document;
    if (!this.#dialog.contains(activeElement)) this.#from = activeElement instanceof HTMLButtonElement ? activeElement : null;
    this.#show(answer);
    if (!this.#dialog.open) this.#unfold();
    const card = this.#list.children[number - 1] ?? this.#list.firstElementChild;
    for (const other of this.#list.children) other.classList.toggle('wanted', other === card);
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: 'nearest' });
  }

  /** An open column goes on with the newest answer. @param {Answer} answer */
  follow(answer) {
    if (!this.#dialog.open || this.#dialog.matches(':modal')) return;
    if (answer.sources?.length && !this.#dialog.contains(document.activeElement)) this.#show(answer);
  }

  close() {
    if (!this.#dialog.open) return;
    this.#dialog.close();
    const back = this.#from?.isConnected ? this.#from : document.getElementById('chat-input');
    back.focus();
  }

  #unfold() {
    if (this.#wide.matches) this.#dialog.show();
    else this.#dialog.showModal();
  }

  #show(answer) {
    const shown = this.#answer;
    if (shown?.sources === answer.sources && shown.text === answer.text) return;
    this.#answer = answer;
    const title = this.#dialog.querySelector('.sources-heading');
    label(title, 'sources', { n: answer.sources.length });
    this.#dialog.querySelector('.sources-question').textContent = answer.question;
    this.#list.replaceChildren(...answer.sources.map((source, index) => this.#card(source, index + 1)));
    this.#list.scrollTop = 0;
    for (const passage of this.#list.querySelectorAll('.passage')) makeReachable(passage);
  }

  /** @param {Source} source @param {number} number */
  #card(source, number) {
    const card = fromTemplate('source-template');
    const find = (className) => card.querySelector(`.${className}`);
    const cited = citedIn(this.#answer).has(number);
    const content = String(source.content ?? '');
    const spans = cited ? citedSpans(content, this.#answer.text, number) : [];
    card.classList.toggle('cited', cited);
    find('source-cited').hidden = !cited;
    find('source-number').textContent = `[${number}]`;
    find('source-title').textContent = titleOf(source);
    const { page, source: file } = source.metadata ?? {};
    const pageElement = find('source-page');
    pageElement.hidden = !page;
    if (page) label(pageElement, 'source_page', { page });
    find('source-file').textContent = String(file ?? '');
    const { percent, key } = relevance(source.score);
    find('relevance-bar').firstElementChild.style.width = `${percent}%`;
    label(find('source-score'), key, { percent });
    fillPassage(find('passage'), content, spans);
    if (cited) widen(card, source, content, spans);
    this.#actions(card, source, content, spans, number);
    return card;
  }

  #actions(card, source, content, spans, number) {
    const place = placeOf(source);
    card.querySelector('.source-actions').hidden = !place;
    if (!place) return;
    const { page, source: file } = source.metadata;
    const marks = (spans.length ? spans : [[0, content.length]]).map((span) => {
      const [start, end] = span.map((index) => place.start + pointsIn(content.slice(0, index)));
      return { start, end };
    });
    const shown = { start: place.start, end: place.end, page, marks, quote: content };
    const open = card.querySelector('.open-document');
    name(open, 'open_document_of', { n: String(number), title: titleOf(source) });
    open.addEventListener('click', () => this.#onOpen(place.document, shown));
    if (!page || !/\.pdf$/i.test(String(file))) return;
    const original = card.querySelector('.open-original');
    original.hidden = false;
    label(original, 'open_original', { page });
    original.addEventListener('click', () => this.#onOpen(place.document, { ...shown, original: true }));
  }
}

/**
 * @param {HTMLElement} passage
 * @param {string} content
 * @param {import('./passages.js').Span[]} spans of what is cited
 * @param {{before: string, after: string}} [around]
 */
function fillPassage(passage, content, spans, around = { before: '', after: '' }) {
  const inside = document.createElement('span');
  inside.className = 'passage-itself';
  let from = 0;
  for (const [start, end] of spans) {
    const mark = document.createElement('mark');
    mark.textContent = content.slice(start, end);
    inside.append(content.slice(from, start), mark);
    from = end;
  }
  inside.append(content.slice(from));
  passage.replaceChildren(around.before, inside, around.after);
}

/**
 * Shows what stands around a cited passage, or says why it cannot.
 * @param {HTMLElement} card
 * @param {Source} source
 * @param {string} content
 * @param {import('./passages.js').Span[]} spans
 */
async function widen(card, source, content, spans) {
  const found = await inContext(source);
  const why = { gone: 'source_gone', changed: 'source_changed' }[found.state];
  const note = card.querySelector('.passage-note');
  note.hidden = !why;
  if (why) label(note, why);
  if (found.state !== 'here') return;
  const passage = card.querySelector('.passage');
  fillPassage(passage, content, spans, found);
  makeReachable(passage);
  const mark = passage.querySelector('mark');
  const above = mark.getBoundingClientRect().top - passage.getBoundingClientRect().top;
  passage.scrollTop += above - passage.clientHeight / 4;
}

/** What scrolls has to be scrolled by key too. @param {HTMLElement} passage */
function makeReachable(passage) {
  if (passage.scrollHeight > passage.clientHeight) passage.tabIndex = 0;
}
