/** One line below the turn that waits, for what is the matter with its connection. */

import { label } from './i18n.js';
import { fromTemplate } from './template.js';

export class Hint {
  #element = null;

  /** @param {HTMLElement|undefined} turn @param {string|null} key null: nothing is the matter */
  show(turn, key) {
    if (!turn || !key) {
      this.#element?.remove();
      this.#element = null;
      return;
    }
    this.#element ??= fromTemplate('hint-template');
    if (this.#element.parentElement !== turn) turn.append(this.#element);
    label(this.#element, key);
  }
}
