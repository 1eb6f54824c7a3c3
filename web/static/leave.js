/** Links in answers: text with its address beside it. A click asks before anything is opened. */

import { fromTemplate } from './template.js';

/** What letters an address is shown with; others could make it look like another. */
const READABLE = /^[\x21-\x7e\p{sc=Hangul}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]+$/u;

/**
 * @param {{href: string, address: string, bare?: boolean}} link `href` "": it is not complete yet
 * @returns {[HTMLElement, HTMLElement]} the whole, and what its text goes into
 */
export function linkTo({ href, address, bare }) {
  const box = document.createElement('span');
  const text = document.createElement('span');
  text.className = 'link-text';
  box.append(text);
  if (!href) return [box, text];
  text.setAttribute('role', 'link');
  text.tabIndex = 0;
  text.addEventListener('click', () => ask(href));
  text.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault(); // or it would press the button that has the focus then
    ask(href);
  });
  if (!bare || !READABLE.test(address)) {
    const place = document.createElement('bdi');
    place.className = 'address';
    place.textContent = READABLE.test(address) ? address : href;
    box.append(' (', place, ')');
  }
  return [box, text];
}

/** @param {string} href */
function ask(href) {
  const dialog = fromTemplate('leave-template');
  dialog.querySelector('.address').textContent = href;
  dialog.querySelector('.open').addEventListener('click', () => {
    window.open(href, '_blank', 'noopener,noreferrer');
    dialog.close();
  });
  dialog.querySelector('.stay').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
