/** Text of an answer and where in the answer it stands; the nodes that are made of it. Pure. */

/** @typedef {{kind: 'text', text: string, at: number}} Text `at`: its place in the whole answer, in UTF-16 units */
/**
 * @typedef {object} Node an element to paint; `firm` of its children never change again
 * @property {string} kind
 * @property {(Node|Text)[]} [children]
 * @property {number} [firm]
 * @property {Source} [source] the text whose inline elements its children are
 */
/**
 * @typedef {object} Source
 * @property {string} text
 * @property {[number, number][]} map where pieces of the text begin: in the text, and in the whole answer
 * @property {number} read what is before this has become firm children
 * @property {boolean} closed no more text will come
 */

/** Letters in one text node of a block that is shown as it is. */
const PIECE = 2_000;

/** @param {string} text @param {number} at its place in the answer @returns {Source} */
export const sourceOf = (text, at) => ({ text, map: [[0, at]], read: 0, closed: false });

/** @param {Source} source @param {string} text @param {number} at */
export function extend(source, text, at) {
  const [start, from] = source.map.at(-1);
  if (from + source.text.length - start !== at) source.map.push([source.text.length, at]);
  source.text += text;
}

/** @param {Source} source @param {number} from @param {number} to @returns {Text[]} one for each piece in a row */
export function texts({ text, map }, from, to) {
  const found = [];
  let piece = map.length - 1;
  while (piece > 0 && map[piece][0] > from) piece--;
  for (; from < to; piece++) {
    const [start, at] = map[piece];
    const end = Math.min(to, map[piece + 1]?.[0] ?? to);
    if (end > from) found.push({ kind: 'text', text: text.slice(from, end), at: at + from - start });
    from = Math.max(from, end);
  }
  return found;
}

/** Adds text to a block that is shown as it is. @param {Node} node @param {string} text @param {number} at */
export function append(node, text, at) {
  const last = node.children.at(-1);
  const goesOn = last && last.at + last.text.length === at;
  if (goesOn && (last.text.length < PIECE || !last.text.endsWith('\n'))) last.text += text;
  else if (text) {
    node.firm = node.children.length;
    node.children.push({ kind: 'text', text, at });
  }
}
