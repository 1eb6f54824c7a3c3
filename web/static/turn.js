/**
 * One question and its answer on the page. Every text from people, models and documents goes in as a text
 * node, so nothing in it can become markup.
 */

import { showFigures } from './figures.js';
import { label, name, relabel, t } from './i18n.js';
import { inContext } from './sources.js';
import { cutAt, hasEnded, splitAnswer } from './stream.js';

/** @typedef {import('./stream.js').Answer} Answer */
/** @typedef {import('./stream.js').Source} Source */

/**
 * A copy of the first element in a `<template>`, its fixed texts in the current language.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function fromTemplate(id) {
  const element = document.getElementById(id).content.firstElementChild.cloneNode(true);
  relabel(element);
  return element;
}

const score = (value) => `${Math.round(100 * Math.min(1, Math.max(0, Number(value) || 0)))}%`;

/** @param {Source} source */
const titleOf = (source) => String(source.title || source.metadata?.source || '?');

export class Turn {
  /** @type {Answer} */
  answer;
  sent = false;
  stopping = false;
  /** What a question that is not sent yet waits for: 'connection', 'model' or 'turn'. */
  waitsFor = 'connection';

  #root = fromTemplate('turn-template');
  #question = this.#root.querySelector('.question');
  #loading = this.#root.querySelector('.loading');
  #reply = null;
  #painted = null;
  #thought = null;
  #tail = null;
  #settled = 0;
  #onRetry;

  /**
   * @param {Answer} answer
   * @param {(turn: Turn) => void} onRetry
   */
  constructor(answer, onRetry) {
    this.#onRetry = onRetry;
    this.#question.textContent = answer.question;
    this.begin(answer);
  }

  get element() {
    return this.#root;
  }

  /** Starts over with another answer to the same question. @param {Answer} answer */
  begin(answer) {
    this.answer = answer;
    this.sent = this.stopping = false;
    this.#reply?.remove();
    this.#reply = this.#painted = this.#thought = this.#tail = null;
    this.#settled = 0;
    this.#root.append(this.#loading);
    this.paint();
  }

  /** Brings the elements up to date with the answer; costs as much as what is new in it. */
  paint() {
    const { answer } = this;
    this.#root.dataset.phase = answer.phase;
    const ended = hasEnded(answer);
    const text = answer.text.trimStart();
    if (!this.#reply && (text || answer.thinking || ended)) this.#openReply();
    if (answer.thinking) this.#paintThinking(text || ended ? 'thoughts' : 'thinking');
    if (!text && !ended) return this.#paintLoading();
    this.#loading.remove();
    this.#reply.querySelector('.answer').hidden = !text && answer.phase !== 'failed';
    if (text) this.#paintText(text);
    if (ended) this.#paintEnd(text);
  }

  #paintLoading() {
    const { answer } = this;
    const text = this.#loading.querySelector('.loading-text');
    if (this.stopping) label(text, 'wait_stop');
    else if (!this.sent) label(text, `wait_${this.waitsFor}`);
    else if (answer.sources?.length && !answer.thinking) label(text, 'wait_model_reads', { n: answer.sources.length });
    else label(text, answer.sources ? 'wait_answer' : 'wait_search');
  }

  #openReply() {
    this.#reply = fromTemplate('reply-template');
    this.#reply.setAttribute('aria-busy', 'true');
    this.#reply.querySelector('.retry').addEventListener('click', () => this.#onRetry(this));
    this.#question.after(this.#reply);
    this.#thought = document.createTextNode('');
    this.#reply.querySelector('.thought').append(this.#thought);
    this.#tail = document.createTextNode('');
    this.#reply.querySelector('.answer').append(this.#tail);
  }

  /** Thinking only grows, so what is new of it is appended. @param {'thinking'|'thoughts'} key */
  #paintThinking(key) {
    const { thinking } = this.answer;
    const box = this.#reply.querySelector('.thinking');
    box.hidden = false;
    const summary = box.querySelector('summary');
    if (summary.dataset.i18n !== key) label(summary, key);
    if (thinking.length > this.#thought.length) this.#thought.appendData(thinking.slice(this.#thought.length));
  }

  /** Text up to the last citation is settled and never touched again; only the tail is written anew. */
  #paintText(text) {
    const parts = splitAnswer(text.slice(this.#settled), this.answer.sources?.length ?? 0);
    const tail = typeof parts.at(-1) === 'string' ? parts.pop() : '';
    this.#tail.before(...parts.map((part) => this.#node(part)));
    this.#settled = text.length - tail.length;
    if (this.#tail.data !== tail) this.#tail.data = tail;
  }

  /** @param {string|number|{bold: string}} part @returns {Node|string} */
  #node(part) {
    if (typeof part === 'number') return this.#citation(part);
    if (typeof part === 'string') return part;
    const bold = document.createElement('strong');
    bold.textContent = part.bold;
    return bold;
  }

  /** Marks the sentences that are not in the sources, and says how many are. */
  #paintGrounded() {
    const { text, sources, end } = this.answer;
    const { supported, total, unsupported } = end.grounded;
    const box = this.#reply.querySelector('.grounded');
    box.hidden = false;
    label(box.querySelector('.grounded-count'), 'grounded', { supported, total });
    box.querySelector('.grounded-legend').hidden = !unsupported.length;
    if (!unsupported.length) return;
    const lead = text.length - text.trimStart().length; // white space is one unit and one point a letter
    const spans = unsupported.map((span) => span.map((place) => place - lead));
    const nodes = cutAt(text.trimStart(), spans).map((part) => {
      const inner = splitAnswer(part.text, sources?.length ?? 0).map((one) => this.#node(one));
      const element = document.createElement('span');
      if (part.inside) element.className = 'unsupported';
      element.append(...inner);
      return element;
    });
    this.#reply.querySelector('.answer').replaceChildren(...nodes);
  }

  #citation(number) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'citation';
    button.textContent = `[${number}]`;
    name(button, 'open_source', { n: String(number), title: titleOf(this.answer.sources[number - 1]) });
    button.addEventListener('click', () => this.#openSource(number));
    return button;
  }

  #openSource(number) {
    this.#paintSources();
    const source = this.#reply.querySelectorAll('.source')[number - 1];
    source.open = true;
    source.querySelector('summary').focus({ preventScroll: true });
    source.scrollIntoView({ block: 'nearest' });
  }

  #paintSources() {
    const { sources } = this.answer;
    const section = this.#reply.querySelector('.sources');
    if (!sources?.length || !section.hidden) return;
    section.hidden = false;
    label(section.querySelector('.sources-title'), 'sources', { n: sources.length });
    section.querySelector('ol').append(
      ...sources.map((source, index) => sourceItem(source, index + 1, () => this.answer.text.includes(`[${index + 1}]`))),
    );
  }

  #paintEnd(text) {
    const { answer } = this;
    if (this.#painted === answer) return;
    this.#painted = answer;
    this.#reply.removeAttribute('aria-busy');
    if (answer.phase === 'failed') this.#paintError();
    const note = {
      stopped: 'stopped',
      interrupted: 'interrupted',
      done: answer.end?.reason === 'length' ? 'cut' : text ? null : 'empty_answer',
    }[answer.phase];
    this.#show('.note', note);
    this.#reply.querySelector('.retry').hidden = answer.phase === 'done' && Boolean(text);
    if (text) showFigures(this.#reply.querySelector('.stats'), answer.end, Boolean(answer.thinking));
    this.#paintSources();
    if (answer.end?.grounded && text) this.#paintGrounded();
  }

  #paintError() {
    const { code, message, solutions } = this.answer.error;
    const box = fromTemplate('error-template');
    box.querySelector('.error-message').textContent = message;
    fillSolutions(box.querySelector('.solutions'), solutions);
    label(box.querySelector('.error-code'), 'error_code', { code });
    this.#reply.querySelector('.answer').append(box);
  }

  #show(selector, key, values) {
    const element = this.#reply.querySelector(selector);
    element.hidden = !key;
    if (key) label(element, key, values);
  }

  /** What a screen reader should hear once the answer has ended. */
  get spoken() {
    const { answer } = this;
    const { grounded } = answer.end ?? {};
    const marked = grounded?.unsupported.length ? t('grounded', grounded) : '';
    const closing = { done: marked, failed: answer.error?.message, stopped: t('stopped'), interrupted: t('interrupted') };
    return [answer.text, closing[answer.phase]].filter(Boolean).join(' ');
  }
}

/**
 * @param {HTMLElement} list
 * @param {string[]} solutions
 */
export function fillSolutions(list, solutions) {
  list.hidden = !solutions.length;
  for (const solution of solutions) {
    const item = document.createElement('li');
    item.textContent = solution;
    list.append(item);
  }
}

/**
 * @param {Source} source
 * @param {number} number
 * @param {() => boolean} isCited
 */
function sourceItem(source, number, isCited) {
  const item = fromTemplate('source-template');
  item.querySelector('.source-number').textContent = `[${number}]`;
  item.querySelector('.source-title').textContent = titleOf(source);
  const page = source.metadata?.page;
  const pageElement = item.querySelector('.source-page');
  pageElement.hidden = !page;
  if (page) label(pageElement, 'source_page', { page });
  item.querySelector('.source-score').textContent = score(source.score);
  const passage = item.querySelector('.passage');
  passage.textContent = String(source.content ?? '');
  item.querySelector('.source').addEventListener('toggle', () => isCited() && widen(passage, source));
  item.querySelector('.source-file').textContent = String(source.metadata?.source ?? '');
  return item;
}

/**
 * Shows what stands around a cited text, which is highlighted.
 * @param {HTMLElement} passage
 * @param {Source} source
 */
async function widen(passage, source) {
  if (passage.firstElementChild) return;
  const found = await inContext(source);
  if (!found) return;
  const quote = document.createElement('mark');
  quote.textContent = found.quote;
  passage.replaceChildren(found.before, quote, found.after);
  const above = quote.getBoundingClientRect().top - passage.getBoundingClientRect().top;
  passage.scrollTop += above - passage.clientHeight / 4;
}
