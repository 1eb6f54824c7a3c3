/** The question box: its length, its counter, and what its keys do. */

import { label } from './i18n.js';

export const MAX_LENGTH = 10_000;
export const COUNT_FROM = 9_000;

/** Code points, as the server counts them; UTF-16 units only while they cannot reach the limit. */
export const lengthOf = (text) => (text.length < COUNT_FROM ? text.length : [...text].length);

export class Composer {
  #form;
  #input;
  #parts;

  /**
   * @param {HTMLFormElement} form
   * @param {{onAsk: (question: string) => void, onStop: () => void, onDraft: (text: string) => void}} parts
   */
  constructor(form, parts) {
    this.#form = form;
    this.#input = form.querySelector('textarea');
    this.#parts = parts;
    this.#input.addEventListener('input', () => {
      this.#edited();
      parts.onDraft(this.#input.value);
    });
    this.#input.addEventListener('keydown', (event) => this.#pressed(event));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#edited();
  }

  focus() {
    this.#input.focus();
  }

  /** What is typed and not sent. @param {string} text */
  set draft(text) {
    this.#input.value = text;
    this.#edited();
  }

  #edited() {
    const n = lengthOf(this.#input.value.trim());
    const over = n - MAX_LENGTH;
    const counter = document.getElementById('counter');
    counter.hidden = n < COUNT_FROM;
    counter.classList.toggle('over', over > 0);
    label(counter, over > 0 ? 'counter_over' : 'counter', { n, max: MAX_LENGTH, over });
    this.#input.setAttribute('aria-invalid', String(over > 0));
    this.#form.querySelector('[type=submit]').disabled = n === 0 || over > 0;
    this.#input.style.height = 'auto';
    this.#input.style.height = `${this.#input.scrollHeight}px`;
  }

  #send() {
    const question = this.#input.value.trim();
    const n = lengthOf(question);
    if (n === 0 || n > MAX_LENGTH) return;
    this.#parts.onAsk(question);
    this.draft = '';
    this.#parts.onDraft('');
    this.focus();
  }

  #pressed(event) {
    // While an input method composes a syllable, Enter and Escape are its own; some browsers only say so with 229.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === 'Escape') this.#parts.onStop();
  }
}
