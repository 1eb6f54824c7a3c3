/** The row of sources under an answer. */

import { label, name } from './i18n.js';
import { isCited, titleOf } from './passages.js';

/** @typedef {import('./stream.js').Answer} Answer */

/**
 * @param {Answer} answer
 * @param {(number: number) => void} onOpen
 * @returns {HTMLElement[]} a list item for each source
 */
export function chipsOf(answer, onOpen) {
  return answer.sources.map((source, index) => {
    const number = index + 1;
    const item = document.createElement('li');
    const chip = document.createElement('button');
    chip.type = 'button';
    chip.className = 'chip';
    chip.dataset.testid = 'source';
    chip.classList.toggle('cited', isCited(answer.text, source, number));
    const title = piece('chip-title', titleOf(source));
    title.dir = 'auto';
    chip.append(piece('source-number', `[${number}]`), ' ', title);
    const page = source.metadata?.page;
    if (page) {
      const element = piece('chip-page');
      label(element, 'source_page', { page });
      chip.append(' ', element);
    }
    name(chip, 'open_source', { n: String(number), title: titleOf(source) });
    chip.addEventListener('click', () => onOpen(number));
    item.append(chip);
    return item;
  });
}

function piece(className, text = '') {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  return element;
}
