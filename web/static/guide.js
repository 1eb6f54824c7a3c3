/** What the guides do beyond being read: each block of code can be copied. */

import { copyButton } from './copy.js';
import { setLang } from './i18n.js';

setLang(document.documentElement.lang);
for (const block of document.querySelectorAll('.prose pre')) {
  const frame = document.createElement('div');
  frame.className = 'block';
  block.replaceWith(frame);
  frame.append(block, copyButton('copy_code', () => block.textContent));
  // What is wider than the page is scrolled with the keyboard, too.
  block.tabIndex = 0;
}
for (const table of document.querySelectorAll('.prose table')) table.tabIndex = 0;
