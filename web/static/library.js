/** The list of stored documents: searched, sorted, and read page by page as it is scrolled. */

import { guardedFetch } from './door.js';
import { download } from './download.js';
import { bytes, when } from './format.js';
import { label, lang, name, t } from './i18n.js';
import { addressOf } from './links.js';
import { arrange, fillSolutions } from './lists.js';
import { MOST } from './selection.js';
import { ownError } from './send.js';
import { fromTemplate } from './template.js';

/**
 * @typedef {object} StoredDocument
 * @property {string} id
 * @property {string} name
 * @property {string} type
 * @property {number} bytes
 * @property {number} passages
 * @property {string} status
 * @property {string|null} added
 */

const PAGE = 50;
const TYPING_MS = 200;

/** The guides come with the program; a library that holds nothing else holds nothing of the person's own. */
const GUIDES = 'guides/';
/** More documents than there are guides. */
export const FEW = 30;

/** @param {{documents: StoredDocument[], total: number}} first the first page of the list */
export const isBare = ({ documents, total }) => total < FEW && documents.every(({ name }) => name.startsWith(GUIDES));

/** @param {string} path @returns {[string, string]} folder with its slash, and name */
export function split(path) {
  const cut = path.lastIndexOf('/') + 1;
  return [path.slice(0, cut), path.slice(cut)];
}

/**
 * @param {{page: number, q?: string, order?: string, size?: number}} asked `order` such as `size-desc`
 * @returns {string} the address of one page of the list
 */
export function address({ page, q = '', order = 'added-desc', size = PAGE }) {
  const [sort, direction] = order.split('-');
  const query = new URLSearchParams({ page: String(page), page_size: String(size), sort, order: direction });
  if (q) query.set('q', q);
  return `documents?${query}`;
}

/** @returns {Promise<{documents: StoredDocument[], total: number}>} rejects with an error body of the server */
export async function read(path, fetch = guardedFetch) {
  const response = await fetch(path, { headers: { 'Accept-Language': lang() }, cache: 'no-store' }).catch(() => null);
  const body = await response?.json().catch(() => null);
  if (response?.ok && body) return body;
  throw body?.message ? body : ownError(t('list_network'));
}

export class Library {
  #root;
  #parts;
  #list;
  #rows = new Map();
  #shown = [];
  #total = 0;
  #pages = 0;
  /** Each reading has a number; what an earlier one brings too late is dropped. */
  #reading = 0;
  #isLoading = false;
  #errors = new Map();
  #timer;

  /**
   * @param {HTMLElement} root
   * @param {object} parts
   * @param {import('./selection.js').Selection} parts.selection
   * @param {import('./deletions.js').Deletions} parts.deletions
   * @param {(document: StoredDocument) => void} parts.onPreview
   */
  constructor(root, parts) {
    this.#root = root;
    this.#parts = parts;
    this.#list = root.querySelector('.documents');
    const find = root.querySelector('.find');
    find.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#restart(), TYPING_MS);
    });
    root.querySelector('.sort').addEventListener('change', () => this.#restart());
    root.querySelector('.read-again').addEventListener('click', () => this.reload());
    parts.selection.subscribe(() => this.#paint());
    new IntersectionObserver(([end]) => end.isIntersecting && this.#readOn(), { rootMargin: '300px' }).observe(
      root.querySelector('.list-end'),
    );
  }

  /** Reads anew all that is shown; rows that stay are kept, with what has the focus. */
  async reload() {
    const pages = Math.max(1, this.#pages);
    const mine = ++this.#reading;
    const found = [];
    try {
      for (let page = 1; page <= pages; page++) {
        const { documents, total } = await read(this.#address(page));
        if (mine !== this.#reading) return;
        found.push(...documents);
        this.#total = total;
        if (page * PAGE >= total) break;
      }
    } catch (error) {
      if (mine === this.#reading) this.#fail(error);
      return;
    }
    this.#pages = Math.max(1, Math.ceil(found.length / PAGE));
    this.#take(found);
  }

  /** Shows what is known now, such as after a deletion was undone. */
  repaint() {
    this.#paint();
  }

  /** A deletion that failed brings its row back with the reason. */
  failed(id, error) {
    this.#errors.set(id, error);
    this.#paint();
  }

  /** @param {string} id */
  focus(id) {
    this.#rows.get(id)?.element.querySelector('.document-delete').focus();
  }

  /** Another question or order: from the first page, at the top. */
  #restart() {
    this.#pages = 1;
    this.#root.querySelector('.list-scroll').scrollTop = 0;
    this.reload();
  }

  #address(page) {
    const q = this.#root.querySelector('.find').value.trim().slice(0, 200);
    return address({ page, q, order: this.#root.querySelector('.sort').value });
  }

  async #readOn() {
    if (this.#isLoading || !this.#pages || this.#pages * PAGE >= this.#total) return;
    this.#isLoading = true;
    const mine = this.#reading;
    try {
      const { documents, total } = await read(this.#address(this.#pages + 1));
      if (mine !== this.#reading) return;
      this.#pages++;
      this.#total = total;
      this.#take([...this.#shown, ...documents]);
    } catch (error) {
      if (mine === this.#reading) this.#fail(error);
      return;
    } finally {
      this.#isLoading = false;
    }
    const end = this.#root.querySelector('.list-end').getBoundingClientRect();
    if (end.top < innerHeight) this.#readOn();
  }

  /** @param {StoredDocument[]} found a page may repeat what has moved down since the one before */
  #take(found) {
    this.#shown = [...new Map(found.map((each) => [each.id, each])).values()].filter(({ status }) => status === 'stored');
    this.#fail(null);
    this.#paint();
  }

  #paint() {
    const { deletions, selection } = this.#parts;
    const visible = this.#shown.filter(({ id }) => !deletions.has(id));
    for (const each of visible) if (!this.#rows.has(each.id)) this.#rows.set(each.id, new DocumentRow(this.#acts(each.id)));
    const elements = visible.map((each) => {
      const row = this.#rows.get(each.id);
      row.paint(each, selection, this.#errors.get(each.id));
      return row.element;
    });
    arrange(this.#list, elements);
    const known = new Set(this.#shown.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!known.has(id)) this.#rows.delete(id);
    this.#say(visible);
  }

  #say(visible) {
    const q = this.#root.querySelector('.find').value.trim();
    const message = this.#root.querySelector('.list-message');
    message.hidden = visible.length > 0 || !this.#pages;
    label(message, q ? 'list_none' : 'list_empty', { q });
    const found = this.#root.querySelector('.found');
    found.hidden = !q || !visible.length;
    label(found, 'list_found', { n: this.#total });
    this.#root.querySelector('.bare').hidden = !this.#pages || q !== '' || !isBare({ documents: visible, total: this.#total });
  }

  #fail(error) {
    const box = this.#root.querySelector('.list-error');
    box.hidden = !error;
    if (!error) return;
    box.querySelector('.error-message').textContent = error.message;
    fillSolutions(box.querySelector('.solutions'), error.solutions);
  }

  #acts(id) {
    const { deletions, selection, onPreview } = this.#parts;
    return {
      choose: (each) => selection.toggle(each.id, each.name),
      preview: onPreview,
      remove: (each) => {
        this.#errors.delete(id);
        const next = this.#neighbour(id);
        const wasChosen = selection.has(id);
        if (wasChosen) selection.toggle(id, each.name);
        deletions.add({ ...each, wasChosen });
        (next ?? this.#root.querySelector('.find')).focus();
      },
    };
  }

  /** Where the focus goes when a row does: to the next one, or the one before. */
  #neighbour(id) {
    const { element } = this.#rows.get(id);
    return (element.nextElementSibling ?? element.previousElementSibling)?.querySelector('.document-delete');
  }
}

class DocumentRow {
  element = fromTemplate('document-template');
  #document;

  /** @param {{choose: Function, remove: Function, preview: Function}} acts */
  constructor(acts) {
    const part = (selector) => this.element.querySelector(selector);
    part('.document-choose').addEventListener('change', () => acts.choose(this.#document));
    part('.document-delete').addEventListener('click', () => acts.remove(this.#document));
    part('.document-name').addEventListener('click', () => acts.preview(this.#document));
    part('.document-download').addEventListener('click', () => download(addressOf(this.#document.id, '/original')));
  }

  /**
   * @param {StoredDocument} document
   * @param {import('./selection.js').Selection} selection
   * @param {import('./send.js').ErrorBody} [error]
   */
  paint(document, selection, error) {
    const part = (selector) => this.element.querySelector(selector);
    const box = part('.document-choose');
    box.checked = selection.has(document.id);
    box.disabled = !box.checked && selection.size >= MOST;
    part('.document-error').hidden = !error;
    part('.document-error').textContent = error?.message ?? '';
    if (document === this.#document) return;
    this.#document = document;
    const [folder, base] = split(document.name);
    part('.document-base').textContent = base;
    part('.document-folder').textContent = folder;
    part('.document-folder').hidden = !folder;
    part('.document-name').title = document.name;
    part('.document-type').textContent = document.type.toUpperCase();
    label(part('.document-facts'), 'document_facts', {
      size: together(bytes(document.bytes, lang())),
      passages: document.passages,
      added: together(when(document.added, lang())),
    });
    name(box, 'choose_document', { name: document.name });
    name(part('.document-download'), 'download_document', { name: document.name });
    name(part('.document-delete'), 'delete_document', { name: document.name });
  }
}

/** A value that is not to be broken between lines. @param {string} text */
const together = (text) => text.replaceAll(' ', '\u00a0');
