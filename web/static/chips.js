/** The row of sources under an answer. */

import { citedIn } from './citations.js';
import { label, name } from './i18n.js';
import { titleOf } from './passages.js';
import { fromTemplate } from './template.js';

/** @typedef {import('./client.js').Answer} Answer */

/**
 * @param {Answer} answer
 * @param {(number: number) => void} onOpen
 * @returns {HTMLElement[]} a list item for each source
 */
export function chipsOf(answer, onOpen) {
  return answer.sources.map((source, index) => {
    const number = index + 1;
    const item = fromTemplate('chip-template');
    const chip = item.querySelector('.source-chip');
    chip.classList.toggle('cited', citedIn(answer).has(number));
    chip.querySelector('.source-number').textContent = `[${number}]`;
    chip.querySelector('.chip-title').textContent = titleOf(source);
    const page = source.metadata?.page;
    const pageElement = chip.querySelector('.chip-page');
    pageElement.hidden = !page;
    if (page) label(pageElement, 'source_page', { page });
    name(chip, 'open_source', { n: String(number), title: titleOf(source) });
    chip.addEventListener('click', () => onOpen(number));
    return item;
  });
}
