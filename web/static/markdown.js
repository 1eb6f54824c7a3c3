/**
 * From the text of an answer, as it comes, to a tree of blocks. Pure.
 *
 * The rules are those of CommonMark and of the tables and task lists in use on top of it, as far as answers need them: no
 * HTML, no reference links, no code by indentation, no headings by underlines (`---` is always a rule). Each line is read
 * once. A line whose beginning does not yet tell what it is waits; then its text goes on into its block letter by letter.
 */

import { readInline } from './inline.js';
import { FENCE, FORMULA, HEADING, ITEM, RULE, containerOf, indentOf, interrupts, isBlank, isOpenEnded } from './lines.js';
import { goesOn, quotationOf, shortOf, startsWith } from './quotations.js';
import { append, extend, sourceOf } from './source.js';
import { asParagraph, belongs, belowHead, newTable, readRow } from './tables.js';

/** @typedef {import('./source.js').Node} Node */

const DEPTH = 12;
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
    return !isOpenEnded(line);
  }

  // ---------------------------------------------------------------- a line begins

  #begin() {
    const line = this.#line;
    const first = this.#isFirst;
    if (!isBlank(line)) this.#isFirst = false;
    this.#inside = true;
    if (this.#literal(line, first)) return;
    let { depth, at } = this.#continued(line);
    const unmatched = depth < this.#open.length;
    if (!unmatched && this.#verbatim(line, at)) return;
    const opened = [];
    for (let rest = line.slice(at); depth + opened.length < DEPTH; rest = line.slice(at)) {
      const inParagraph = !unmatched && !opened.length && this.#leaf?.kind === 'paragraph';
      const container = containerOf(rest, inParagraph);
      if (!container) break;
      opened.push(container);
      at += container.width;
    }
    const lead = indentOf(line.slice(at));
    const rest = line.slice(at + lead);
    at += lead;
    if (isBlank(rest) && !opened.length) return this.#blank(depth);
    const lazy = unmatched && !opened.length && this.#leaf?.kind === 'paragraph' && !interrupts(rest);
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

  /** Closes what the line does not continue; a list stays open for its next item. */
  #closeTo(depth, opened) {
    const list = this.#open[depth - 1];
    const next = opened[0];
    const goesOn = list.kind === 'list' && next?.kind === 'item' && next.sign === list.sign;
    this.#close();
    this.#open.length = list.kind === 'list' && !goesOn ? depth - 1 : depth;
  }

  #enter({ kind, marker, indent, sign, start, task }) {
    if (kind === 'quote') return this.#open.push(this.#add({ kind, children: [], firm: 0 }));
    if (this.#open.at(-1).kind !== 'list') this.#open.push(this.#add({ kind: 'list', sign, start, children: [], firm: 0 }));
    this.#open.push(this.#add({ kind, marker, indent, task, children: [], firm: 0 }));
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

  #block(rest, at) {
    if (this.#leaf?.kind === 'table') {
      if (belongs(this.#leaf, rest, at)) return;
      if (!this.#leaf.align) this.#replace(asParagraph(this.#leaf));
    }
    const table = this.#leaf?.kind === 'paragraph' ? belowHead(this.#leaf, rest) : null;
    if (table) return this.#replace(table);
    const heading = HEADING.exec(rest);
    const fence = FENCE.exec(rest);
    if (RULE.test(rest)) this.#start({ kind: 'rule', children: [], firm: 0 });
    else if (heading) this.#heading(heading, rest, at);
    else if (fence) this.#start({ kind: 'code', fence: fence[1], language: fence[2], lead: 0, children: [], firm: 0 });
    else if (FORMULA.test(rest)) this.#formula(rest, at);
    else if (rest[0] === '|' && !this.#leaf?.isNoTable) this.#start(newTable(rest, at));
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

  /** A quotation that was announced, or the short answer above it. @returns {boolean} */
  #literal(line, isFirst) {
    const short = isFirst && this.#quotations.length ? shortOf(line, this.#at) : null;
    if (short) return Boolean(this.#add(short));
    if (!this.#leaf && startsWith(this.#quotations, line)) {
      this.#open.length = 1;
      this.#start(quotationOf(this.#quotations));
    }
    if (this.#leaf?.kind !== 'quotation') return false;
    const found = goesOn(this.#leaf, line, this.#at);
    if (found === 'end') this.#leaf = null;
    else if (found === 'no') this.#close();
    return found !== 'no';
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
    if (this.#leaf?.kind === 'table' && !this.#leaf.align) this.#replace(asParagraph(this.#leaf));
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
