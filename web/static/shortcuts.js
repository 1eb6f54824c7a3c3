/** Keys that work wherever one is on the page. */

/** @typedef {'new'|'question'} Shortcut */

/**
 * @param {KeyboardEvent} event
 * @returns {Shortcut|null}
 */
export function shortcutOf(event) {
  if (event.isComposing || event.keyCode === 229 || event.defaultPrevented || event.altKey) return null;
  const command = event.ctrlKey || event.metaKey;
  // The key's place, not its letter: with a Korean layout on, it types another.
  if (command && event.shiftKey && event.code === 'KeyO') return 'new';
  if (!command && event.key === '/' && !isTyping(event.target)) return 'question';
  return null;
}

const isTyping = (element) =>
  Boolean(element?.isContentEditable) || ['INPUT', 'TEXTAREA', 'SELECT'].includes(element?.tagName);
