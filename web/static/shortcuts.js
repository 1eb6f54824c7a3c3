/** Keys that work wherever one is on the page, and which are not meant for it. */

/** @typedef {'new'|'question'} Shortcut */

/** While an input method composes a syllable, keys are its own; some browsers only say so with 229. @param {KeyboardEvent} event */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/**
 * @param {KeyboardEvent} event
 * @returns {Shortcut|null}
 */
export function shortcutOf(event) {
  if (isComposing(event) || event.defaultPrevented || event.altKey) return null;
  const command = event.ctrlKey || event.metaKey;
  // The key's place, not its letter: with a Korean layout on, it types another.
  if (command && event.shiftKey && event.code === 'KeyO') return 'new';
  if (!command && event.key === '/' && !isTyping(event.target)) return 'question';
  return null;
}

const isTyping = (element) =>
  Boolean(element?.isContentEditable) || ['INPUT', 'TEXTAREA', 'SELECT'].includes(element?.tagName);
