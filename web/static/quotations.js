/** What an answer quotes from its sources: shown letter for letter, whatever the documents hold. Pure. */

import { append, sourceOf, texts } from './source.js';

/** @typedef {import('./source.js').Node} Node */

const SHORT = /^\*\*([^*]+)\*\*\s*$/;
const CITED = / \[(\d+)\]$/;

/** @param {string[][]} quotations their lines @param {string} line */
export const startsWith = (quotations, line) => line.startsWith('“') && quotations.some(([first]) => first === line);

/** A block for one of the quotations. @param {string[][]} candidates @returns {Node} */
export const quotationOf = (candidates) => ({ kind: 'quotation', lines: 0, candidates, children: [], firm: 0 });

/**
 * Takes one more line, if one of the quotations goes on with it.
 * @param {Node} node
 * @param {string} line
 * @param {number} at
 * @returns {'yes'|'no'|'end'}
 */
export function goesOn(node, line, at) {
  node.candidates = node.candidates.filter((lines) => lines[node.lines] === line);
  if (!node.candidates.length) return 'no';
  node.lines++;
  const isLast = node.candidates.some((lines) => lines.length === node.lines);
  const cited = isLast ? CITED.exec(line) : null;
  append(node, cited ? line.slice(0, cited.index + 1) : line, at);
  if (!cited) return 'yes';
  const place = at + cited.index + 1;
  node.children.push({ kind: 'citation', number: Number(cited[1]), at: place, length: cited[0].length - 1 });
  return 'end';
}

/** The short answer above quotations, a document's own words too. @param {string} line @param {number} at @returns {Node|null} */
export function shortOf(line, at) {
  const found = SHORT.exec(line);
  if (!found) return null;
  const children = texts(sourceOf(found[1], at + 2), 0, found[1].length);
  return { kind: 'paragraph', children: [{ kind: 'strong', children, firm: 0 }], firm: 1 };
}
