/** The question box: its length, its counter, and what its keys do. */

import { label } from './i18n.js';
import { pointsIn } from './points.js';
import { isComposing } from './shortcuts.js';

export const MAX_LENGTH = 10_000;
const COUNT_FROM = 9_000;

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
    const n = pointsIn(this.#input.value.trim());
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
    const n = pointsIn(question);
    if (n === 0 || n > MAX_LENGTH) return;
    this.#parts.onAsk(question);
    this.draft = '';
    this.#parts.onDraft('');
    this.focus();
  }

  #pressed(event) {
    if (isComposing(event)) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === 'Escape') this.#parts.onStop();
  }
}
