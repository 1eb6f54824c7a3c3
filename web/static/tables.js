/** Rows of tables in Markdown. Pure. */

import { extend, sourceOf } from './source.js';

/** @typedef {import('./source.js').Node} Node */

/** What stands below the head of a table. */
const DELIMITERS = /^\|?(?:\s*:?-+:?\s*\|)*\s*:?-+:?\s*\|?\s*$/;

/**
 * A table whose first row begins; it is one for certain when the line below tells so.
 * @param {string} text
 * @param {number} at
 * @param {boolean} [hasEdge] whether its rows begin with `|`
 * @returns {Node}
 */
export function newTable(text, at, hasEdge = true) {
  const table = { kind: 'table', align: null, hasEdge, children: [], firm: 0 };
  addRow(table, text, at);
  return table;
}

function addRow(table, text, at) {
  table.firm = table.children.length;
  table.children.push({ kind: 'row', isHead: !table.align, table, text, at, closed: false, children: [], firm: 0 });
}

/**
 * Takes the line below a table's row, if it belongs to the table.
 * @param {Node} table
 * @param {string} line
 * @param {number} at
 * @returns {boolean}
 */
export function belongs(table, line, at) {
  if (table.align) {
    const isRow = line[0] === '|' || (!table.hasEdge && cells(line, 0).length > 1);
    if (isRow) addRow(table, line, at);
    return isRow;
  }
  if (!DELIMITERS.test(line) || !line.includes('-')) return false;
  table.align = alignments(line);
  table.children[0].isRead = false;
  return true;
}

/** The table whose head a paragraph of one line is, by the line below it. @param {Node} paragraph @param {string} line */
export function belowHead({ source, lines }, line) {
  if (lines !== 1 || !line.includes('|') || !DELIMITERS.test(line) || !source.text.includes('|')) return null;
  const align = alignments(line);
  const head = source.text.trimEnd();
  if (cells(head, 0).length !== align.length) return null;
  const table = newTable(head, source.map[0][1], false);
  return Object.assign(table, { align });
}

/** What looked like the first row of a table was text. @param {Node} table @returns {Node} */
export function asParagraph(table) {
  const { text, at } = table.children[0];
  const source = sourceOf(text, at);
  extend(source, '\n', at + text.length);
  return { kind: 'paragraph', lines: 1, isNoTable: true, source, children: [], firm: 0 };
}

/** @returns {('left'|'center'|'right'|'')[]} */
function alignments(line) {
  return cells(line, 0).map(({ text }) => {
    const [left, right] = [text.startsWith(':'), text.endsWith(':')];
    return left && right ? 'center' : right ? 'right' : left ? 'left' : '';
  });
}

/** The cells of a row with their places. @param {string} line @param {number} at */
function cells(line, at) {
  const found = [];
  let from = /^\s*\|?/.exec(line)[0].length;
  for (let i = from; i <= line.length; i++) {
    if (line[i] === '\\') i++;
    else if (i === line.length ? line.slice(from).trim() : line[i] === '|') {
      const raw = line.slice(from, i);
      found.push({ text: raw.trim(), at: at + from + raw.length - raw.trimStart().length });
      from = i + 1;
    }
  }
  return found;
}

/** A row's cells from its text, as far as it is written. @param {Node} row */
export function readRow(row) {
  if (row.isRead) return;
  row.isRead = row.closed;
  const { align } = row.table;
  row.children = cells(row.text, row.at).map(({ text, at }, column) => {
    const source = { ...sourceOf(text, at), closed: true };
    return { kind: 'cell', isHead: row.isHead, align: align?.[column] ?? '', source, children: [], firm: 0 };
  });
}
