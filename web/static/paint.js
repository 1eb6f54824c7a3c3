/**
 * Paints an answer's Markdown as it comes: elements of a fixed list, and every text of the answer as a text node.
 * What has become firm is never touched again; the rest is brought up to date in place.
 */

import { copyButton } from './copy.js';
import { label, name } from './i18n.js';
import { linkTo } from './leave.js';
import { Markdown } from './markdown.js';
import { indexAfter } from './points.js';

/** @typedef {import('./source.js').Node} Node */
/**
 * @typedef {object} View a node and the element that shows it
 * @property {Node} node
 * @property {string} key two nodes of the same key can be shown by the same element
 * @property {globalThis.Node} element
 * @property {globalThis.Node} body what its children are in
 * @property {View[]} open views of the children that are not firm
 * @property {number} firm how many children are
 */

const TAGS = {
  paragraph: 'p',
  quotation: 'p',
  formula: 'p',
  quote: 'blockquote',
  item: 'li',
  rule: 'hr',
  row: 'tr',
  strong: 'strong',
  em: 'em',
  del: 'del',
  codespan: 'code',
  math: 'span',
};
const INLINE = new Set(['STRONG', 'EM', 'DEL', 'CODE', 'SPAN', 'BUTTON']);
const isBlock = (element) => !INLINE.has(element.tagName) || element.classList.contains('lines');

function make(tag, className = '') {
  const element = document.createElement(tag);
  if (className) element.className = className;
  return element;
}

export class Painter {
  #markdown;
  #view;
  #citation;
  /** Where texts and citations stand in the answer: their begin and end. @type {WeakMap<globalThis.Node, [number, number]>} */
  #places = new WeakMap();
  #length = 0;

  /**
   * @param {HTMLElement} element
   * @param {object} about
   * @param {number} about.count how many sources may be cited
   * @param {string[]} about.quotations what the answer quotes letter for letter, with marks and number
   * @param {(number: number) => HTMLElement} about.citation
   */
  constructor(element, { count, quotations, citation }) {
    element.replaceChildren();
    this.#markdown = new Markdown(count, quotations);
    this.#citation = citation;
    this.#view = viewOf(this.#markdown.root, 'root', element);
  }

  /** @param {string} text the whole answer so far */
  paint(text) {
    if (text.length > this.#length) this.#markdown.push(text.slice(this.#length));
    this.#length = text.length;
    this.#update(this.#view);
  }

  /** The answer is complete. */
  end() {
    this.#markdown.end();
    this.#update(this.#view);
  }

  #update(view) {
    const { node, open } = view;
    if (node.kind === 'text') return this.#write(view);
    this.#markdown.read(node);
    const children = node.children ?? [];
    for (let i = view.firm; i < children.length; i++) {
      const place = i - view.firm;
      const key = keyOf(children[i]);
      if (open[place]?.key === key) open[place].node = children[i];
      else {
        const made = this.#make(children[i], key, node.kind);
        if (open[place]) open[place].element.replaceWith(made.element);
        else view.body.append(made.element);
        open[place] = made;
      }
      this.#update(open[place]);
    }
    for (const { element } of open.splice(children.length - view.firm)) element.remove();
    const firm = node.firm ?? 0;
    open.splice(0, firm - view.firm);
    view.firm = firm;
  }

  #write(view) {
    const { text, at } = view.node;
    const { body, written } = view;
    if (text === written) return;
    if (written && text.startsWith(written)) body.appendData(text.slice(written.length));
    else body.data = text;
    view.written = text;
    this.#places.set(body, [at, at + text.length]);
  }

  /** @param {Node} node @param {string} key @param {string} parent its kind @returns {View} */
  #make(node, key, parent) {
    if (node.kind === 'text') {
      const text = document.createTextNode('');
      if (parent !== 'code') return viewOf(node, key, text);
      const lines = make('span', 'lines');
      lines.append(text);
      return viewOf(node, key, lines, text);
    }
    const [element, body] = this.#element(node);
    if (node.length) this.#places.set(element, [node.at, node.at + node.length]);
    return viewOf(node, key, element, body);
  }

  /** @param {Node} node @returns {[HTMLElement, HTMLElement?]} */
  #element(node) {
    const { kind } = node;
    if (kind === 'heading') return [make(`h${3 + node.rank}`)];
    if (kind === 'list') return [listOf(node)];
    if (kind === 'item') return itemOf(node);
    if (kind === 'code') return codeOf(node);
    if (kind === 'table') return tableOf();
    if (kind === 'cell') return [cellOf(node)];
    if (kind === 'link') return linkTo(node);
    if (kind === 'image') return [imageOf(node)];
    if (kind === 'citation') return [this.#citation(node.number)];
    return [make(TAGS[kind], TAGS[kind] === 'p' || kind === 'math' ? kind : '')];
  }

  /**
   * Marks parts of the answer, once it is complete.
   * @param {string} text the whole answer
   * @param {[number, number][]} spans in code points, in order
   * @param {string} className
   */
  mark(text, spans, className) {
    const places = [];
    spans.flat().forEach((point, i, points) => places.push(indexAfter(text, point - (points[i - 1] ?? 0), places[i - 1])));
    const leaves = this.#leaves(this.#view.body);
    let next = 0;
    for (let i = 0; i < places.length; i += 2) {
      const [start, end] = [places[i], places[i + 1]];
      const inside = [];
      while (next < leaves.length && this.#places.get(leaves[next])[0] < end) {
        const leaf = leaves[next];
        const rest = leaf.nodeType === 3 ? this.#cut(leaf, end) : null;
        if (this.#places.get(leaf)[1] > start) inside.push(leaf.nodeType === 3 ? (this.#cut(leaf, start) ?? leaf) : leaf);
        if (rest) leaves[next] = rest;
        else next++;
      }
      this.#wrap(inside, className);
    }
  }

  #wrap(inside, className) {
    const chosen = new Set(inside);
    let box = null;
    for (const top of new Set(inside.map((node) => this.#top(node, chosen)))) {
      if (box === null || box.nextSibling !== top) {
        box = make('span', className);
        top.before(box);
      }
      box.append(top);
    }
  }

  /** Texts and citations below an element. */
  #leaves(element) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    const found = [];
    while (walker.nextNode()) if (this.#places.has(walker.currentNode)) found.push(walker.currentNode);
    return found;
  }

  /** Cuts a text in two. @returns {Text|null} what begins at the place, if it lies inside */
  #cut(node, place) {
    const [from, to] = this.#places.get(node);
    if (place <= from || place >= to) return null;
    const rest = node.splitText(place - from);
    this.#places.set(node, [from, place]);
    this.#places.set(rest, [place, to]);
    return rest;
  }

  /** The outermost inline element that holds nothing but what is chosen. */
  #top(node, chosen) {
    let top = node;
    for (let above = node.parentElement; !isBlock(above); above = above.parentElement) {
      if (!this.#leaves(above).every((leaf) => chosen.has(leaf))) break;
      top = above;
    }
    return top;
  }
}

/** @returns {View} */
const viewOf = (node, key, element, body = element) => ({ node, key, element, body, open: [], firm: 0, written: '' });

function keyOf(node) {
  const { kind, rank, sign, start, task, language, number, href, address, alt, isHead, align } = node;
  if (kind === 'cell') return `cell ${isHead} ${align}`;
  return [kind, rank, sign, start, task, language, number, href, href === '' ? '' : address, alt].join(' ');
}

function listOf({ start }) {
  const list = make(start === null ? 'ul' : 'ol');
  if (start !== null && start !== 1) list.start = start;
  return list;
}

function itemOf({ task }) {
  const item = make('li');
  if (task === null) return [item];
  item.className = 'task';
  const box = make('span', 'box');
  box.textContent = task ? '☑' : '☐';
  box.setAttribute('role', 'img');
  name(box, task ? 'task_done' : 'task_open');
  const body = make('div');
  item.append(box, body);
  return [item, body];
}

function codeOf({ language }) {
  const box = make('div', 'code');
  const head = make('div', 'code-head');
  const title = make('span', 'code-language');
  title.textContent = language;
  const lines = make('pre');
  lines.tabIndex = 0;
  const code = make('code');
  lines.append(code);
  head.append(title, copyButton('copy_code', () => code.textContent));
  box.append(head, lines);
  return [box, code];
}

function tableOf() {
  const box = make('div', 'table');
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  name(box, 'table');
  const table = make('table');
  box.append(table);
  return [box, table];
}

function cellOf({ isHead, align }) {
  const cell = make(isHead ? 'th' : 'td', align);
  if (isHead) cell.scope = 'col';
  return cell;
}

/** An image is never loaded: what it shows and where it lies are said instead. */
function imageOf({ alt, address }) {
  const text = make('span', 'image');
  label(text, address ? 'image' : 'image_begun', { alt, address });
  return text;
}
