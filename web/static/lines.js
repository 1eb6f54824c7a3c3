/** How the lines of Markdown begin. Pure. */

const MARKERS = /^(?:\s*(?:>|[-+*](?=\s)|\d{1,9}[.)](?=\s)))*\s*/;
const OPEN_ENDED = /^(?:#{1,6}\s*|[-+*_\s]*|[|:\s-]*|\d{1,9}[.)]?\s*|\[[ xX]?\]?\s*|[`~]{1,2}|(?:`{3,}|~{3,}|\$\$|\\\[).*|\$|\\)$/;
export const ITEM = /^([-+*]|(\d{1,9})[.)])(?:\s+(?:\[([ xX])\]\s+)?(?=\S)|\s*$)/;
export const RULE = /^([-*_])(?:\s*\1){2,}\s*$/;
export const HEADING = /^(#{1,6})(?:\s+|$)/;
export const FENCE = /^(`{3,}(?=[^`]*$)|~{3,})\s*([^\s`]*)/;
export const FORMULA = /^(?:\$\$|\\\[)/;

/**
 * @typedef {object} Container
 * @property {'quote'|'item'} kind
 * @property {number} width of its mark and the space behind it
 * @property {number} [marker] how far the mark of an item is indented
 * @property {number} [indent] how far what belongs to the item is
 * @property {string} [sign] items of other signs are other lists
 * @property {number|null} [start] the number of an item
 * @property {boolean|null} [task] whether it is done; null where it is no task
 */

/** @param {string} text */
export const isBlank = (text) => text.trim() === '';

/** @param {string} text */
export const indentOf = (text) => text.length - text.trimStart().length;

/** Whether a line that begins like this may still become something else. @param {string} line */
export const isOpenEnded = (line) => OPEN_ENDED.test(line.replace(MARKERS, '')) || /^[\s>]*$/.test(line);

/** Whether a line ends the paragraph above it. @param {string} line */
export const interrupts = (line) => [HEADING, FENCE, RULE, FORMULA, /^\|/].some((start) => start.test(line));

/**
 * The container that begins with a line.
 * @param {string} line
 * @param {boolean} inParagraph whether a paragraph would go on with it otherwise
 * @returns {Container|null}
 */
export function containerOf(line, inParagraph) {
  const lead = indentOf(line);
  const text = line.slice(lead);
  if (text[0] === '>') return { kind: 'quote', width: lead + 1 + Number(/\s/.test(text[1] ?? '')) };
  const found = ITEM.exec(text);
  if (!found || RULE.test(text)) return null;
  const [whole, marker, number, task] = found;
  if (inParagraph && (isBlank(text.slice(marker.length)) || (number && Number(number) !== 1))) return null;
  const start = number === undefined ? null : Number(number);
  const box = task === undefined ? 0 : 4;
  const gap = whole.length - marker.length - box;
  const indent = lead + marker.length + (gap > 5 || gap < 1 ? 1 : gap);
  return { kind: 'item', width: indent + box, marker: lead, indent, sign: marker.at(-1), start, task: box ? task !== ' ' : null };
}
