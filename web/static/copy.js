/** Copies text, also where the page came over plain http from another machine and has no clipboard of its own. */

import { label, t } from './i18n.js';

const SHOWN_MS = 2_000;

/** @param {string} text @returns {Promise<boolean>} whether it is in the clipboard now */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const before = document.activeElement;
  const box = document.createElement('textarea');
  box.value = text;
  box.className = 'unseen';
  // Inside an open dialog nothing outside it can be selected.
  (before?.closest('dialog') ?? document.body).append(box);
  box.select();
  const done = document.execCommand('copy');
  box.remove();
  before?.focus({ preventScroll: true });
  return done;
}

/**
 * A button that copies what `text` gives, and says so to eyes and ears.
 * @param {string} key of its label
 * @param {() => string} text
 * @param {HTMLButtonElement} [button]
 */
export function copyButton(key, text, button = document.createElement('button')) {
  button.type = 'button';
  button.classList.add('action', key.replace('_', '-'));
  button.dataset.testid = `${key.replace('_', '-')}-button`;
  label(button, key);
  let back;
  button.addEventListener('click', async () => {
    const result = (await copy(text())) ? 'copied' : 'copy_failed';
    label(button, result);
    document.getElementById('announcer').textContent = t(result);
    clearTimeout(back);
    back = setTimeout(() => label(button, key), SHOWN_MS);
  });
  return button;
}
