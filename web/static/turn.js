/**
 * One question and its answer on the page. Every text from people, models and documents goes in as a text
 * node, so nothing in it can become markup.
 */

import { chipsOf } from './chips.js';
import { quotationsOf } from './citations.js';
import { hasEnded } from './client.js';
import { copyButton } from './copy.js';
import { editQuestion } from './edit.js';
import { showFigures } from './figures.js';
import { label, name, t } from './i18n.js';
import { fillSolutions } from './lists.js';
import { Painter } from './paint.js';
import { titleOf } from './passages.js';
import { fromTemplate } from './template.js';

/** @typedef {import('./client.js').Answer} Answer */

export class Turn {
  /** @type {Answer} */
  answer;
  sent = false;
  stopping = false;
  /** What a question that is not sent yet waits for: 'connection', 'model' or 'turn'. */
  waitsFor = 'connection';

  #root = fromTemplate('turn-template');
  #question = this.#root.querySelector('.question');
  #edit = this.#root.querySelector('.edit');
  #loading = this.#root.querySelector('.loading');
  #reply = null;
  #painted = null;
  #thought = null;
  #painter = null;
  /** What the painter was made for. */
  #sources = null;
  #parts;

  /**
   * @param {Answer} answer
   * @param {object} parts
   * @param {(turn: Turn) => void} parts.onRetry the question is to be asked again
   * @param {(turn: Turn, text: string) => void} parts.onEdit it is to be asked in other words
   * @param {(answer: Answer, number: number) => void} parts.onCite a source is to be shown
   */
  constructor(answer, parts) {
    this.#parts = parts;
    this.#edit.addEventListener('click', () => editQuestion(this.#question, (text) => parts.onEdit(this, text)));
    this.begin(answer);
  }

  get element() {
    return this.#root;
  }

  /** Starts over with another answer to the same question. @param {Answer} answer */
  begin(answer) {
    this.answer = answer;
    this.sent = this.stopping = false;
    this.#root.querySelector('.edit-box')?.remove();
    this.#question.hidden = false;
    this.#question.textContent = answer.question;
    this.#reply?.remove();
    this.#reply = this.#painted = this.#thought = this.#painter = null;
    this.#root.append(this.#loading);
    this.paint();
  }

  /** Brings the elements up to date with the answer; costs as much as what is new in it. */
  paint() {
    const { answer } = this;
    this.#root.dataset.phase = answer.phase;
    const ended = hasEnded(answer);
    const text = answer.text.trim();
    this.#edit.hidden = !ended;
    if (!this.#reply && (text || answer.thinking || ended)) this.#openReply();
    if (answer.thinking) this.#paintThinking(text || ended ? 'thoughts' : 'thinking');
    if (!text && !ended) return this.#paintLoading();
    this.#loading.remove();
    this.#reply.querySelector('.answer').hidden = !text && answer.phase !== 'failed';
    if (text && this.#painted !== answer) this.#paintText();
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
    this.#reply.querySelector('.regenerate').addEventListener('click', () => this.#parts.onRetry(this));
    copyButton('copy_answer', () => this.answer.text.trim(), this.#reply.querySelector('.copy-answer'));
    this.#loading.before(this.#reply);
    this.#thought = document.createTextNode('');
    this.#reply.querySelector('.thought').append(this.#thought);
  }

  /** Thinking only grows, so what is new of it is appended. @param {'thinking'|'thoughts'} key */
  #paintThinking(key) {
    const { thinking } = this.answer;
    const box = this.#reply.querySelector('.thinking');
    box.hidden = false;
    label(box.querySelector('summary'), key);
    if (thinking.length > this.#thought.length) this.#thought.appendData(thinking.slice(this.#thought.length));
  }

  #paintText() {
    const { text, sources } = this.answer;
    if (!this.#painter || this.#sources !== sources) {
      this.#sources = sources;
      this.#painter = new Painter(this.#reply.querySelector('.answer'), {
        count: sources?.length ?? 0,
        quotations: quotationsOf(sources ?? []),
        citation: (number) => this.#citation(number),
      });
    }
    this.#painter.paint(text);
  }

  /** Marks the sentences that are not in the sources, and says how many are. */
  #paintGrounded() {
    const { text, end } = this.answer;
    const { supported, total, unsupported } = end.grounded;
    const box = this.#reply.querySelector('.grounded');
    box.hidden = false;
    label(box.querySelector('.grounded-count'), 'grounded', { supported, total });
    box.querySelector('.grounded-legend').hidden = !unsupported.length;
    this.#painter.mark(text, unsupported, 'unsupported');
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
    this.#painter?.end();
    this.#reply.removeAttribute('aria-busy');
    if (answer.phase === 'failed') this.#paintError();
    const note = {
      stopped: 'stopped',
      interrupted: 'interrupted',
      done: answer.end?.reason === 'length' ? 'cut' : text ? null : 'empty_answer',
    }[answer.phase];
    this.#show('.note', note);
    const isWhole = answer.phase === 'done' && Boolean(text);
    this.#reply.querySelector('.retry').hidden = isWhole;
    this.#reply.querySelector('.regenerate').hidden = !isWhole;
    this.#reply.querySelector('.answer-actions').hidden = !text;
    if (text) showFigures(this.#reply.querySelector('.stats'), answer.end, Boolean(answer.thinking));
    this.#paintSources();
    if (answer.end?.grounded && text) this.#paintGrounded();
    this.#painter = null;
  }

  #paintError() {
    const { code, message, solutions } = this.answer.error;
    const box = fromTemplate('error-template');
    box.querySelector('.error-message').textContent = message;
    fillSolutions(box.querySelector('.solutions'), solutions);
    label(box.querySelector('.error-code'), 'error_code', { code });
    const place = this.#reply.querySelector('.answer');
    place.querySelector('.error')?.remove();
    place.append(box);
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
