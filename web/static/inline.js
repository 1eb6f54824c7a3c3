/**
 * What stands in a line of Markdown: emphasis, code, links, citations, formulas. Pure.
 *
 * The rules are those of CommonMark as far as answers need them. HTML and entities stay text, images are text, and beside
 * CJK letters emphasis opens and closes as beside punctuation (`**"값"**은`). Nothing reaches further than `REACH`, so that
 * the beginning of a long text is settled while its end is still being written.
 */

import { ADDRESS, AUTOLINK, TARGET, hrefOf, withoutEnd } from './address.js';
import { Emphasis, REACH } from './emphasis.js';
import { texts } from './source.js';

/** @typedef {import('./source.js').Node} Node */
/** @typedef {import('./source.js').Source} Source */

/** A text node grows up to this before another begins. */
const PIECE = 1_000;

const SPECIAL = /[\\`*_~[<$“]|!\[|https?:\/\//g;
const SPACE = /\s/u;
/** What may become a marker with the next token is not shown before. */
const HELD = /(?:[*_~`\\\n]|!?\[\d{0,3})+$/;
const CITATION = /\[(\d{1,3})\]/y;
const QUOTED = /”\s?\[\d{1,3}\]/y;
const ESCAPED = /[!-/:-@[-`{-~]/;

/**
 * Adds to the children what has become certain, and what the rest looks like as far as it is written.
 * @param {Node} node with a source
 * @param {number} count how many sources may be cited
 */
export function readInline(node, count) {
  const { source } = node;
  node.children.length = node.firm;
  const to = source.closed ? source.text.length : source.text.length - (HELD.exec(source.text.slice(-64))?.[0].length ?? 0);
  const scan = new Scan(source, source.read, Math.max(to, source.read), count, node.children);
  scan.run();
  node.firm = scan.firm;
  source.read = scan.read;
}

/** One pass over a text from `from` to `to`; `items` are what it found. */
class Scan {
  #source;
  #text;
  #from;
  #to;
  #count;
  #open;
  #links;
  #emphasis;
  #undecided = false;

  constructor(source, from, to, count, items = [], links = true) {
    this.#source = source;
    this.#text = source.text;
    this.#from = this.read = from;
    this.#to = to;
    this.#count = count;
    this.#open = !source.closed && links;
    this.#links = links;
    this.items = items;
    this.#emphasis = new Emphasis(items);
    this.firm = items.length;
  }

  run() {
    let at = this.#from;
    while (at < this.#to) {
      SPECIAL.lastIndex = at;
      const found = SPECIAL.exec(this.#text);
      const next = found && found.index < this.#to ? found.index : this.#to;
      this.#plain(at, next);
      at = next < this.#to ? this.#special(next) : next;
    }
    if (this.#open) this.#emphasis.closeFrom(this.#text.lastIndexOf('\n', this.#to - 1));
    return this.items;
  }

  /** A long text without marks becomes firm up to its last space: what follows may begin something. */
  #plain(from, to) {
    const space = to - from > PIECE ? this.#text.lastIndexOf(' ', to - 1) : -1;
    if (space > from) {
      this.#push(from, space);
      this.#settle(space);
      from = space;
    }
    this.#push(from, to);
  }

  #push(from, to) {
    for (const piece of texts(this.#source, from, to)) {
      const last = this.items.length > this.firm ? this.items.at(-1) : null;
      const joins = last?.kind === 'text' && !last.mark && last.at + last.text.length === piece.at;
      if (joins) last.text += piece.text;
      else this.items.push(piece);
    }
    return to;
  }

  #settle(at) {
    if (this.#undecided || this.#emphasis.isOpen(at) || !this.#links) return;
    this.firm = this.items.length;
    this.read = at;
  }

  /** @returns {number} where to go on */
  #special(at) {
    const sign = this.#text[at];
    if (sign === '*' || sign === '_' || sign === '~') return this.#run(at, sign);
    const end = this.#construct(at, sign);
    if (end === 0) return this.#push(at, at + (sign === '`' ? this.#length(at, '`') : sign === 'h' ? 4 : 1));
    if (end === this.#to && this.#open) this.#undecided = true;
    this.#settle(end);
    return end;
  }

  /** @returns {number} where it ends; 0 if there is none */
  #construct(at, sign) {
    if (sign === '\\') return this.#escape(at);
    if (sign === '`') return this.#code(at);
    if (sign === '$') return this.#formula(at);
    if (sign === '“') return this.#quotation(at);
    if (sign === '<') return this.#address(AUTOLINK, at);
    if (sign === 'h') return this.#address(ADDRESS, at);
    if (sign === '!') return this.#link(at + 1, 'image');
    return this.#citation(at) || this.#link(at, 'link');
  }

  #match(pattern, at) {
    pattern.lastIndex = at;
    const found = pattern.exec(this.#text);
    return found && at + found[0].length <= this.#to ? found : null;
  }

  /** Where `what` stands next within reach; -1 where it does not, or not yet. */
  #find(what, from) {
    const limit = Math.min(this.#to, from + REACH);
    const found = this.#text.slice(from, limit).indexOf(what);
    if (found < 0 && limit === this.#to && this.#open) this.#undecided = true;
    return found < 0 ? -1 : from + found;
  }

  #length(at, sign) {
    let end = at;
    while (end < this.#to && this.#text[end] === sign) end++;
    return end - at;
  }

  #element(kind, from, to, more) {
    this.items.push({ kind, children: texts(this.#source, from, to), firm: 0, ...more });
  }

  /** Whether what is open here may be shown as if it were closed: as long as its line goes on. */
  #lineIsOpen(at) {
    return this.#open && !this.#text.slice(at, this.#to).includes('\n');
  }

  #escape(at) {
    const next = this.#text[at + 1];
    if (next === '(' || next === '[') {
      const end = this.#find(next === '(' ? '\\)' : '\\]', at + 2);
      if (end >= 0 || this.#lineIsOpen(at)) return this.#formulaTo(at, end < 0 ? this.#to : end + 2);
    }
    if (next === '\n') return this.#push(at + 1, at + 2);
    return next && ESCAPED.test(next) ? this.#push(at + 1, at + 2) : 0;
  }

  #code(at) {
    const fence = this.#length(at, '`');
    const from = at + fence;
    let end = from;
    while ((end = this.#find('`'.repeat(fence), end)) >= 0 && this.#length(end, '`') !== fence) end += this.#length(end, '`');
    if (end > from + REACH || (end < 0 && !this.#lineIsOpen(at))) return 0;
    const stop = end < 0 ? this.#to : end;
    const inner = this.#text.slice(from, stop);
    const padded = end >= 0 && /^ .* $/s.test(inner) && inner.trim() !== '';
    this.#element('codespan', from + Number(padded), stop - Number(padded));
    return end < 0 ? stop : end + fence;
  }

  #formulaTo(from, to) {
    this.#element('math', from, to);
    return to;
  }

  /** `$x$` and `$$x$$` stay as they are; `$5 and $6` are amounts. */
  #formula(at) {
    const text = this.#text;
    const marks = Math.min(2, this.#length(at, '$'));
    if (marks === 2) {
      const end = this.#find('$$', at + 2);
      if (end > at + 2) return this.#formulaTo(at, end + 2);
      return end < 0 && this.#lineIsOpen(at) ? this.#formulaTo(at, this.#to) : 0;
    }
    if (SPACE.test(text[at + 1] ?? ' ') || /[\p{L}\p{N}]/u.test(text[at - 1] ?? ' ')) return 0;
    for (let end = at + 1; (end = this.#find('$', end)) >= 0; end++) {
      if (text.slice(at, end).includes('\n')) return 0;
      if (!/[\s\\]/.test(text[end - 1]) && !/\d/.test(text[end + 1] ?? '')) return this.#formulaTo(at, end + 1);
    }
    return !/\d/.test(text[at + 1]) && this.#lineIsOpen(at) ? this.#formulaTo(at, this.#to) : 0;
  }

  /** What is quoted with its source, “so” [1], is shown letter for letter. */
  #quotation(at) {
    const limit = Math.min(this.#to, at + REACH);
    let depth = 0;
    for (let end = at; end < limit; end++) {
      if (this.#text[end] === '“') depth++;
      if (this.#text[end] !== '”' || --depth > 0) continue;
      const tail = this.#text.slice(end + 1, this.#to);
      if (this.#open && /^\s?(?:\[\d{0,3})?$/.test(tail)) this.#undecided = true;
      return this.#count && this.#match(QUOTED, end) ? this.#push(at, end + 1) : 0;
    }
    if (limit === this.#to && this.#open) this.#undecided = true;
    return 0;
  }

  #place(from, length) {
    return texts(this.#source, from, from + length)[0].at;
  }

  #citation(at) {
    const found = this.#match(CITATION, at);
    if (!found || this.#text[at + found[0].length] === '(') return 0;
    const number = Number(found[1]);
    if (!this.#links || number < 1 || number > this.#count) return 0;
    this.items.push({ kind: 'citation', number, at: this.#place(at, 1), length: found[0].length });
    return at + found[0].length;
  }

  #address(pattern, at) {
    const found = this.#links && this.#match(pattern, at);
    if (!found || (pattern === ADDRESS && /[\p{L}\p{N}]/u.test(this.#text[at - 1] ?? ' '))) return 0;
    if (pattern === AUTOLINK) {
      this.#element('link', at + 1, at + found[0].length - 1, { address: found[1], href: hrefOf(found[1]), bare: true });
      return at + found[0].length;
    }
    const address = withoutEnd(found[0]);
    const whole = at + found[0].length === this.#to && this.#open;
    this.#element('link', at, at + address.length, { address, href: whole ? '' : hrefOf(address), bare: true });
    if (whole) this.#undecided = true;
    return at + address.length;
  }

  /** @param {number} at of the bracket */
  #link(at, kind) {
    const from = kind === 'image' ? at - 1 : at;
    const close = this.#links ? this.#bracket(at) : -1;
    if (close < 0) return 0;
    if (close + 1 === this.#to && this.#open) this.#undecided = true;
    if (this.#text[close + 1] !== '(' || close + 1 >= this.#to) return 0;
    const target = this.#match(TARGET, close + 1);
    const found = target && target[0].length < REACH ? target : null;
    const address = found?.[1] ?? found?.[2] ?? '';
    const href = hrefOf(address);
    if (!found) {
      const pending = this.#open && this.#to - close <= REACH;
      this.#undecided ||= pending;
      if (!pending || !this.#lineIsOpen(from) || this.#text.slice(close, this.#to).includes(')')) return 0;
    }
    if (found && !href && kind === 'link') return 0;
    const end = found ? close + 1 + found[0].length : this.#to;
    if (kind === 'image') {
      const alt = this.#text.slice(at + 1, close);
      this.items.push({ kind, alt, address, at: this.#place(from, 1), length: end - from });
    } else {
      const children = new Scan(this.#source, at + 1, close, 0, [], false).run();
      this.items.push({ kind, children, firm: 0, address, href });
    }
    return end;
  }

  /** Where the bracket that opens at `at` closes; -1 where it does not. */
  #bracket(at) {
    const limit = Math.min(this.#to, at + REACH / 4);
    let depth = 0;
    for (let end = at; end < limit; end++) {
      const sign = this.#text[end];
      if (sign === '\\') end++;
      else if (sign === '[') depth++;
      else if (sign === ']' && --depth === 0) return end;
    }
    if (limit === this.#to && this.#open) this.#undecided = true;
    return -1;
  }

  #run(at, sign) {
    const end = at + this.#length(at, sign);
    if (end === this.#to && this.#open) this.#undecided = true;
    if (sign === '~' && end - at !== 2) return this.#push(at, end);
    const before = [...this.#text.slice(Math.max(0, at - 2), at)].at(-1) ?? ' ';
    const after = end < this.#to ? String.fromCodePoint(this.#text.codePointAt(end)) : ' ';
    this.#emphasis.run(sign, at, texts(this.#source, at, end), before, after);
    this.#settle(end);
    return end;
  }
}
