/** What the end of an answer tells about its speed. */

import { label } from './i18n.js';

/** Quotations come at once when they are found; of what took less, no speed can be told. */
const LEAST_MS = 150;
const LEAST_TOKENS = 8;

/**
 * @typedef {object} End the end of an answer, as `client.js` keeps it
 * @property {number} ms
 * @property {number} tokens that the model made
 * @property {number|null} [first] milliseconds to the first word
 */

/**
 * @param {End|null|undefined} end
 * @param {boolean} [thought] whether the model thought before it answered; its thoughts are among the tokens
 * @returns {{key: string, values: Record<string, string>}[]} texts to be shown side by side; none where nothing is known
 */
export function figuresOf(end, thought = false) {
  if (!Number.isFinite(end?.ms)) return [];
  const { ms, tokens, first } = end;
  const seconds = (value) => (value < 1000 ? String(Number((value / 1000).toFixed(2))) : (value / 1000).toFixed(1));
  const figures = [{ key: 'seconds', values: { seconds: seconds(ms) } }];
  if (!Number.isFinite(first)) return figures;
  const rate = ((tokens - 1) * 1000) / (ms - first);
  if (!thought && tokens >= LEAST_TOKENS && ms - first >= LEAST_MS) {
    figures.push({ key: 'rate', values: { rate: rate < 10 ? rate.toFixed(1) : String(Math.round(rate)) } });
  }
  return [...figures, { key: 'first_word', values: { seconds: seconds(first) } }];
}

/**
 * Writes them into an element, each so that a change of the language finds it.
 * @param {HTMLElement} element
 * @param {End|null|undefined} end
 * @param {boolean} [thought]
 */
export function showFigures(element, end, thought) {
  const parts = figuresOf(end, thought).map(({ key, values }) => {
    const part = document.createElement('span');
    label(part, key, values);
    return part;
  });
  element.replaceChildren(...parts);
  element.hidden = !parts.length;
}
