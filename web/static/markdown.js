/**
 * From the text of an answer, as it comes, to a tree of blocks. Pure.
 *
 * The rules are those of CommonMark and of the tables and task lists in use on top of it, as far as answers need them: no
 * HTML, no reference links, no code by indentation, no headings by underlines (`---` is always a rule). Each line is read
 * once. A line whose beginning does not yet tell what it is waits; then its text goes on into its block letter by letter.
 */

import { extend, readInline, sourceOf, texts } from './inline.js';

/** @typedef {import('./inline.js').Node} Node */

const DEPTH = 12;
/** Letters of code in one text node. */
const PIECE = 2_000;

const MARKERS = /^(?:\s*(?:>|[-+*](?=\s)|\d{1,9}[.)](?=\s)))*\s*/;
const OPEN_ENDED = /^(?:#{1,6}\s*|[-+*_\s]*|[|:\s-]*|\d{1,9}[.)]?\s*|\[[ xX]?\]?\s*|[`~]{1,2}|(?:`{3,}|~{3,}|\$\$|\\\[).*|\$|\\)$/;
const ITEM = /^([-+*]|(\d{1,9})[.)])(?:\s+(?:\[([ xX])\]\s+)?(?=\S)|\s*$)/;
const RULE = /^([-*_])(?:\s*\1){2,}\s*$/;
const HEADING = /^(#{1,6})(?:\s+|$)/;
const FENCE = /^(`{3,}(?=[^`]*$)|~{3,})\s*([^\s`]*)/;
const DELIMITERS = /^\|?(?:\s*:?-+:?\s*\|)*\s*:?-+:?\s*\|?\s*$/;
const FORMULA = /^(?:\$\$|\\\[)/;
const SHORT = /^\*\*([^*]+)\*\*\s*$/;

const isBlank = (text) => text.trim() === '';
const indentOf = (text) => text.length - text.trimStart().length;

export class Markdown {
  /** @type {Node} */
  root = { kind: 'root', children: [], firm: 0 };
  #count;
  #quotations;
  /** Containers that are open, the outermost first. */
  #open = [this.root];
  /** The block that takes text, if one is open. */
  #leaf = null;
  #ranks = [];
  /** The beginning of the line that is being read, its place in the answer, and how much of the line there is. */
  #line = '';
  #at = 0;
  #length = 0;
  /** Whether the line's beginning is decided, and its text goes on into the leaf. */
  #inside = false;
  #isFirst = true;

  /**
   * @param {number} [count] how many sources the answer may cite
   * @param {string[]} [quotations] whole lines or paragraphs that the answer quotes: these are shown letter for letter
   */
  constructor(count = 0, quotations = []) {
    this.#count = count;
    this.#quotations = quotations.map((text) => plain(text).split('\n'));
  }

  /** @param {string} text what has come of the answer since the last call */
  push(text) {
    const lines = plain(text).split('\n');
    lines.forEach((piece, i) => {
      const whole = i < lines.length - 1;
      if (this.#inside) this.#extend(piece);
      else {
        this.#line += piece;
        this.#length += piece.length;
        if (whole || this.#isDecided()) this.#begin();
      }
      if (whole) this.#endLine();
    });
  }

  /** The answer has ended. */
  end() {
    if (!this.#inside && this.#line) this.#begin();
    this.#close();
  }

  /** Brings the open block's inline elements up to date; before painting. @param {Node} node */
  read(node) {
    if (node.source && !node.isRead) {
      readInline(node, this.#count);
      node.isRead = node.source.closed;
    }
    if (node.kind === 'row') readRow(node);
  }

  #isDecided() {
    const leaf = this.#leaf;
    const line = this.#line;
    if (leaf?.kind === 'code' && /^[\s>]*[`~]*\s*$/.test(line)) return false;
    if (leaf?.kind === 'code' && this.#open.every(({ kind }) => kind !== 'quote')) return true;
    if (leaf?.kind === 'formula' || (leaf?.kind === 'table' && !leaf.hasEdge)) return false;
    if (leaf?.candidates?.some((lines) => lines[leaf.lines]?.startsWith(line))) return false;
    if (!leaf && this.#quotations.some((lines) => lines[0].startsWith(line))) return false;
    if (this.#isFirst && this.#quotations.length && line.startsWith('*')) return false;
    return !OPEN_ENDED.test(line.replace(MARKERS, '')) && !/^[\s>]*$/.test(line);
  }

  // ---------------------------------------------------------------- a line begins

  #begin() {
    const line = this.#line;
    const first = this.#isFirst;
    if (!isBlank(line)) this.#isFirst = false;
    this.#inside = true;
    if (this.#literal(line) || (first && this.#short(line))) return;
    let { depth, at } = this.#continued(line);
    const unmatched = depth < this.#open.length;
    if (!unmatched && this.#verbatim(line, at)) return;
    const opened = [];
    for (let rest = line.slice(at); depth + opened.length < DEPTH; rest = line.slice(at)) {
      const container = this.#container(rest, at + this.#at, depth, opened.length > 0);
      if (!container) break;
      opened.push(container);
      at += container.width;
    }
    const lead = indentOf(line.slice(at));
    const rest = line.slice(at + lead);
    at += lead;
    if (isBlank(rest) && !opened.length) return this.#blank(depth);
    const lazy = unmatched && !opened.length && this.#leaf?.kind === 'paragraph' && !this.#interrupts(rest);
    if (!lazy) {
      if (unmatched || opened.length) this.#closeTo(depth, opened);
      for (const container of opened) this.#enter(container);
    }
    if (isBlank(rest)) return;
    this.#block(rest, at + this.#at);
  }

  /** How many of the open containers the line continues, and where in it their marks end. */
  #continued(line) {
    let at = 0;
    let depth = 1;
    for (; depth < this.#open.length; depth++) {
      const node = this.#open[depth];
      const rest = line.slice(at);
      const indent = indentOf(rest);
      if (node.kind === 'quote') {
        if (rest[indent] !== '>') break;
        at += indent + 1 + Number(/\s/.test(rest[indent + 1] ?? ''));
      } else if (node.kind === 'item') {
        const nested = indent >= node.marker + 2 && ITEM.test(rest.trimStart());
        const within = indent >= node.indent || this.#leaf?.kind === 'code' || isBlank(rest) || nested;
        if (!within) break;
        at += Math.min(indent, node.indent);
      }
    }
    // A list without one of its items has ended, unless the next item comes.
    return { depth, at };
  }

  /** A container that begins here, or null. */
  #container(rest, at, depth, nested) {
    const lead = indentOf(rest);
    const text = rest.slice(lead);
    if (text[0] === '>') return { kind: 'quote', width: lead + 1 + Number(/\s/.test(text[1] ?? '')) };
    const found = ITEM.exec(text);
    if (!found || RULE.test(text)) return null;
    const [whole, marker, number, task] = found;
    const inParagraph = !nested && depth === this.#open.length && this.#leaf?.kind === 'paragraph';
    if (inParagraph && (isBlank(text.slice(marker.length)) || (number && Number(number) !== 1))) return null;
    const start = number === undefined ? null : Number(number);
    const box = task === undefined ? 0 : 4;
    const gap = whole.length - marker.length - box;
    const width = lead + marker.length + (gap > 5 || gap < 1 ? 1 : gap) + box;
    const indent = lead + marker.length + (gap > 5 || gap < 1 ? 1 : gap);
    return { kind: 'item', width, marker: lead, indent, sign: marker.at(-1), start, task: task && task !== ' ', box };
  }

  /** Closes what the line does not continue; a list stays open for its next item. */
  #closeTo(depth, opened) {
    const list = this.#open[depth - 1];
    const next = opened[0];
    const goesOn = list.kind === 'list' && next?.kind === 'item' && next.sign === list.sign;
    this.#close();
    this.#open.length = list.kind === 'list' && !goesOn ? depth - 1 : depth;
  }

  #enter({ kind, marker, indent, sign, start, task, box }) {
    if (kind === 'quote') return this.#open.push(this.#add({ kind, children: [], firm: 0 }));
    if (this.#open.at(-1).kind !== 'list') this.#open.push(this.#add({ kind: 'list', sign, start, children: [], firm: 0 }));
    this.#open.push(this.#add({ kind, marker, indent, task: box ? Boolean(task) : null, children: [], firm: 0 }));
  }

  #add(node) {
    const { children } = this.#open.at(-1);
    children.push(node);
    this.#open.at(-1).firm = children.length - 1;
    return node;
  }

  /** Puts another block in the place of the open one. @param {Node} by */
  #replace(by) {
    this.#open.at(-1).children.splice(-1, 1, by);
    this.#leaf = by;
    return by;
  }

  // ---------------------------------------------------------------- blocks that hold text

  #blank(depth) {
    this.#close();
    const quote = this.#open.findIndex((node, place) => place >= depth && node.kind === 'quote');
    if (quote > 0) this.#open.length = this.#open[quote - 1].kind === 'list' ? quote - 1 : quote;
  }

  #interrupts(rest) {
    return [HEADING, FENCE, RULE, FORMULA, /^\|/].some((start) => start.test(rest));
  }

  #block(rest, at) {
    if (this.#leaf?.kind === 'table' && this.#tableLine(rest, at)) return;
    if (this.#leaf?.kind === 'paragraph' && this.#tableBelow(rest)) return;
    const heading = HEADING.exec(rest);
    const fence = FENCE.exec(rest);
    if (RULE.test(rest)) this.#start({ kind: 'rule', children: [], firm: 0 });
    else if (heading) this.#heading(heading, rest, at);
    else if (fence) this.#start({ kind: 'code', fence: fence[1], language: fence[2], lead: 0, children: [], firm: 0 });
    else if (FORMULA.test(rest)) this.#formula(rest, at);
    else if (rest[0] === '|' && !this.#leaf?.isNoTable) this.#table(rest, at);
    else if (this.#leaf?.kind === 'paragraph') {
      this.#leaf.lines++;
      extend(this.#leaf.source, rest, at);
    } else this.#start({ kind: 'paragraph', lines: 1, source: sourceOf(rest, at), children: [], firm: 0 });
  }

  #start(node) {
    this.#close();
    this.#leaf = this.#add(node);
    return node;
  }

  /** Ranks follow one another without a gap, whatever the answer's own levels are. */
  #heading([marks, level], rest, at) {
    while (this.#ranks.at(-1) >= level.length) this.#ranks.pop();
    this.#ranks.push(level.length);
    const rank = Math.min(3, this.#ranks.length);
    const source = sourceOf(rest.slice(marks.length), at + marks.length);
    this.#start({ kind: 'heading', rank, source, children: [], firm: 0 });
  }

  #formula(rest, at) {
    const end = rest[0] === '$' ? '$$' : '\\]';
    const node = this.#start({ kind: 'formula', end, children: [], firm: 0 });
    append(node, rest, at);
    if (rest.trimEnd().length > 2 && rest.slice(2).includes(end)) this.#leaf = null;
  }

  /** Code, formulas: the line is theirs as it is. @returns {boolean} */
  #verbatim(line, at) {
    const leaf = this.#leaf;
    if (leaf?.kind === 'formula' && !isBlank(line)) {
      append(leaf, line.slice(at), at + this.#at);
      if (line.includes(leaf.end)) this.#leaf = null;
      return true;
    }
    if (leaf?.kind !== 'code') return false;
    const rest = line.slice(at);
    const closing = rest.trim();
    const closes = closing.length >= leaf.fence.length && closing === leaf.fence[0].repeat(closing.length);
    if (closes) this.#leaf = null;
    else append(leaf, rest, at + this.#at);
    return true;
  }

  /** A quotation that was announced, line for line. @returns {boolean} */
  #literal(line) {
    let leaf = this.#leaf;
    if (!leaf && line.startsWith('“') && this.#quotations.some(([first]) => first === line)) {
      this.#open.length = 1;
      leaf = this.#start({ kind: 'quotation', lines: 0, candidates: this.#quotations, children: [], firm: 0 });
    }
    if (!leaf?.candidates) return false;
    leaf.candidates = leaf.candidates.filter((lines) => lines[leaf.lines] === line);
    if (!leaf.candidates.length) {
      this.#close();
      return false;
    }
    leaf.lines++;
    const isLast = leaf.candidates.some((lines) => lines.length === leaf.lines);
    const cited = isLast ? / \[(\d+)\]$/.exec(line) : null;
    append(leaf, cited ? line.slice(0, cited.index + 1) : line, this.#at);
    if (cited) {
      const at = this.#at + cited.index + 1;
      leaf.children.push({ kind: 'citation', number: Number(cited[1]), at, length: cited[0].length - 1 });
      this.#leaf = null;
    }
    return true;
  }

  /** The short answer above quotations is a document's own words too. @returns {boolean} */
  #short(line) {
    const found = this.#quotations.length ? SHORT.exec(line) : null;
    if (!found) return false;
    const children = texts(sourceOf(found[1], this.#at + 2), 0, found[1].length);
    this.#add({ kind: 'paragraph', children: [{ kind: 'strong', children, firm: 0 }], firm: 1 });
    return true;
  }

  // ---------------------------------------------------------------- tables

  #table(rest, at) {
    this.#start({ kind: 'table', align: null, hasEdge: true, children: [], firm: 0 });
    this.#row(rest, at);
  }

  #row(rest, at) {
    const table = this.#leaf;
    table.firm = table.children.length;
    table.children.push({ kind: 'row', isHead: !table.align, table, text: rest, at, closed: false, children: [], firm: 0 });
  }

  /** @returns {boolean} whether the line below a table's row belongs to it */
  #tableLine(rest, at) {
    const table = this.#leaf;
    if (!table.align && DELIMITERS.test(rest) && rest.includes('-')) {
      table.align = alignments(rest);
      table.children[0].isRead = false;
      return true;
    }
    if (table.align && (rest[0] === '|' || (!table.hasEdge && cells(rest, 0).length > 1))) {
      this.#row(rest, at);
      return true;
    }
    if (!table.align) this.#toParagraph();
    return false;
  }

  /** A paragraph of one line becomes the head of the table that begins below it. @returns {boolean} */
  #tableBelow(rest) {
    const { source, lines } = this.#leaf;
    if (lines !== 1 || !rest.includes('|') || !DELIMITERS.test(rest) || !source.text.includes('|')) return false;
    const head = source.text.trimEnd();
    if (cells(head, 0).length !== alignments(rest).length) return false;
    const table = this.#replace({ kind: 'table', align: null, hasEdge: false, children: [], firm: 0 });
    this.#row(head, source.map[0][1]);
    table.children[0].closed = true;
    table.align = alignments(rest);
    return true;
  }

  /** What looked like the first row of a table was text. */
  #toParagraph() {
    const { text, at } = this.#leaf.children[0];
    const source = sourceOf(text, at);
    this.#replace({ kind: 'paragraph', lines: 1, isNoTable: true, source, children: [], firm: 0 });
    extend(source, '\n', at + text.length);
  }

  // ---------------------------------------------------------------- the rest of a line, and its end

  #extend(text) {
    const leaf = this.#leaf;
    const at = this.#at + this.#length;
    this.#length += text.length;
    if (!text || !leaf) return;
    if (leaf.source) extend(leaf.source, text, at);
    else if (leaf.kind === 'table') leaf.children.at(-1).text += text;
    else append(leaf, text, at);
  }

  #endLine() {
    const at = this.#at + this.#length;
    const leaf = this.#leaf;
    if (leaf?.kind === 'heading' || leaf?.kind === 'rule') this.#close();
    else if (leaf?.kind === 'paragraph') extend(leaf.source, '\n', at);
    else if (leaf?.kind === 'table') leaf.children.at(-1).closed = true;
    else if (leaf && this.#inside) this.#newline(leaf, at);
    this.#at = at + 1;
    this.#line = '';
    this.#length = 0;
    this.#inside = false;
  }

  #newline(leaf, at) {
    if (leaf.kind === 'code' && leaf.lead++ === 0) return; // that of the line with the fence
    append(leaf, '\n', at);
  }

  /** Nothing more comes to the open block. */
  #close() {
    if (this.#leaf?.kind === 'table' && !this.#leaf.align) this.#toParagraph();
    const leaf = this.#leaf;
    this.#leaf = null;
    if (leaf?.kind === 'table') leaf.children.at(-1).closed = true;
    if (!leaf?.source) return;
    leaf.source.text = leaf.source.text.trimEnd();
    if (leaf.kind === 'heading') leaf.source.text = leaf.source.text.replace(/(?:^|\s+)#+$/, '');
    leaf.source.closed = true;
  }
}

/** Line ends of one letter each; no offset changes. */
const plain = (text) => text.replaceAll('\r', ' ');

/** Adds text to a block that is shown as it is. */
function append(node, text, at) {
  const last = node.children.at(-1);
  if (last && last.at + last.text.length === at && last.text.length < PIECE) last.text += text;
  else if (text) {
    node.firm = node.children.length;
    node.children.push({ kind: 'text', text, at });
  }
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
      found.push({ text: raw.trim(), at: at + from + indentOf(raw) });
      from = i + 1;
    }
  }
  return found;
}

/** A row's cells from its text, as far as it is written. */
function readRow(row) {
  if (row.isRead) return;
  row.isRead = row.closed;
  const { align } = row.table;
  row.children = cells(row.text, row.at).map(({ text, at }, column) => {
    const source = { ...sourceOf(text, at), closed: true };
    return { kind: 'cell', isHead: row.isHead, align: align?.[column] ?? '', source, children: [], firm: 0 };
  });
}
