/** Says above the question box that only some documents are asked, and leads back to all of them. */

import { label } from './i18n.js';
import { split } from './library.js';

/**
 * @param {HTMLElement} element
 * @param {import('./selection.js').Selection} selection
 * @param {{onOpen: () => void, onClear: () => void}} parts
 */
export function showChoice(element, selection, { onOpen, onClear }) {
  const text = element.querySelector('.chip-text');
  const paint = () => {
    const [first] = selection.get();
    element.hidden = !first;
    if (selection.size === 1) label(text, 'asking_one', { name: split(first.name)[1] });
    else label(text, 'asking', { n: selection.size });
  };
  text.addEventListener('click', onOpen);
  element.querySelector('.chip-clear').addEventListener('click', () => {
    selection.clear();
    onClear();
  });
  selection.subscribe(paint);
  paint();
}
