/** Which sources an answer cites, and what it quotes of them. Pure. */

import { Markdown } from './markdown.js';

/** @typedef {import('./client.js').Answer} Answer */
/** @typedef {import('./client.js').Source} Source */

/** @type {WeakMap<Answer, Set<number>>} */
const known = new WeakMap();

/** What a quoting answer takes from its sources, as it stands in it. @param {Source[]} sources */
export const quotationsOf = (sources) =>
  sources.flatMap(({ content, metadata }, index) => (metadata?.cited ? [`“${content}” [${index + 1}]`] : []));

/**
 * The numbers of the cited sources. The server says them; where it sent the sources before the model wrote, the answer
 * itself does: numbers in code and in quotations are none.
 * @param {Answer} answer
 * @returns {Set<number>}
 */
export function citedIn(answer) {
  const found = known.get(answer) ?? find(answer);
  known.set(answer, found);
  return found;
}

function find({ text, sources }) {
  const told = (sources ?? []).flatMap(({ metadata }, index) => (metadata?.cited ? [index + 1] : []));
  if (told.length || !sources?.length) return new Set(told);
  const markdown = new Markdown(sources.length);
  markdown.push(text);
  markdown.end();
  const numbers = new Set();
  const visit = (node) => {
    markdown.read(node);
    if (node.kind === 'citation') numbers.add(node.number);
    for (const child of node.children ?? []) visit(child);
  };
  visit(markdown.root);
  return numbers;
}
