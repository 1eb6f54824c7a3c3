/** A question that becomes a box, to be asked in other words. */

import { MAX_LENGTH } from './composer.js';
import { pointsIn } from './points.js';
import { isComposing } from './shortcuts.js';
import { fromTemplate } from './template.js';

/**
 * @param {HTMLElement} question is hidden while it is edited
 * @param {(text: string) => void} onSend
 */
export function editQuestion(question, onSend) {
  const editor = fromTemplate('edit-template');
  const box = editor.querySelector('textarea');
  const button = editor.querySelector('.send');
  const fit = () => {
    const n = pointsIn(box.value.trim());
    button.disabled = n === 0 || n > MAX_LENGTH;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`;
  };
  const leave = () => {
    editor.remove();
    question.hidden = false;
  };
  const cancel = () => {
    leave();
    question.parentElement.querySelector('.edit').focus();
  };
  const send = () => {
    if (button.disabled) return;
    leave();
    onSend(box.value.trim());
  };
  button.addEventListener('click', send);
  editor.querySelector('.cancel').addEventListener('click', cancel);
  box.addEventListener('input', fit);
  box.addEventListener('keydown', (event) => {
    if (isComposing(event)) return;
    if (event.key === 'Escape') cancel();
    if (event.key !== 'Enter' || event.shiftKey) return;
    event.preventDefault();
    send();
  });
  box.value = question.textContent;
  question.hidden = true;
  question.before(editor);
  fit();
  box.focus();
}
