/**
 * One question and its answer on the page. Every text from people, models and documents goes in as a text
 * node, so nothing in it can become markup.
 */

import { chipsOf } from './chips.js';
import { showFigures } from './figures.js';
import { label, name, t } from './i18n.js';
import { titleOf } from './passages.js';
import { cutAt, hasEnded, splitAnswer } from './stream.js';
import { fromTemplate } from './template.js';

/** @typedef {import('./stream.js').Answer} Answer */

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
  #parts;

  /**
   * @param {Answer} answer
   * @param {{onRetry: (turn: Turn) => void, onCite: (answer: Answer, number: number) => void}} parts
   */
  constructor(answer, parts) {
    this.#parts = parts;
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
    this.#reply.querySelector('.retry').addEventListener('click', () => this.#parts.onRetry(this));
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
    button.addEventListener('click', () => this.#parts.onCite(this.answer, number));
    return button;
  }

  #paintSources() {
    const { sources } = this.answer;
    const section = this.#reply.querySelector('.sources');
    if (!sources?.length || !section.hidden) return;
    section.hidden = false;
    label(section.querySelector('.sources-title'), 'sources', { n: sources.length });
    const chips = chipsOf(this.answer, (number) => this.#parts.onCite(this.answer, number));
    section.querySelector('ol').append(...chips);
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
