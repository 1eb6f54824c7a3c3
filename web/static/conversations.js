/** The list of conversations: open, search, rename, export, delete. */

import { label, name, write } from './i18n.js';
import { TalkMenu } from './menu.js';
import { isComposing } from './shortcuts.js';
import { groups } from './talks.js';
import { fromTemplate } from './template.js';

/** @typedef {import('./talks.js').Head} Head */

/** Keys are not searched for one by one. */
const SEARCH_MS = 150;
const DAYS = { today: 'talks_today', yesterday: 'talks_yesterday', older: 'talks_older' };

export class ConversationList {
  #root;
  #groups;
  #query;
  #parts;
  #menu;
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();
  /** Ids that the search found, null while there is none. @type {Set<string>|null} */
  #found = null;
  #timer = null;

  /**
   * @param {HTMLElement} root
   * @param {object} parts
   * @param {() => {heads: Head[], shown: string, running: Set<string>, lasts: boolean}} parts.read what there is
   * @param {(query: string) => Promise<Set<string>>} parts.search
   * @param {(id: string) => void} parts.onOpen
   * @param {(id: string, title: string) => void} parts.onRename
   * @param {(id: string) => void} parts.onDelete
   * @param {(id: string) => void} parts.onUndo
   * @param {(id: string, kind: 'markdown'|'json') => void} parts.onExport
   */
  constructor(root, parts) {
    this.#root = root;
    this.#groups = root.querySelector('.talk-groups');
    this.#query = root.querySelector('input[type=search]');
    this.#parts = parts;
    this.#menu = new TalkMenu(document.getElementById('talk-menu'), (action, id) => this.#act(action, id));
    this.#query.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#search(), SEARCH_MS);
    });
  }

  /** Brings the list up to date. */
  render() {
    const { heads, shown, running, lasts } = this.#parts.read();
    const focused = this.#groups.contains(document.activeElement) ? document.activeElement : null;
    const listed = heads.filter(({ id, deleted }) => (this.#found?.has(id) ?? true) && (!deleted || this.#rows.has(id)));
    for (const [id, row] of this.#rows) {
      if (listed.some((head) => head.id === id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    this.#groups.replaceChildren(...groups(listed, Date.now()).map((group) => this.#group(group)));
    for (const head of listed) this.#paint(head, head.id === shown, running.has(head.id));
    // A row that is moved loses the focus.
    if (focused?.isConnected && focused !== document.activeElement) focused.focus();
    const empty = this.#root.querySelector('.talk-none');
    empty.hidden = listed.length > 0;
    label(empty, this.#found ? 'talks_not_found' : 'talks_none');
    this.#root.querySelector('.talk-unkept').hidden = lasts;
  }

  async #search() {
    const query = this.#query.value.trim();
    const found = query ? await this.#parts.search(query).catch(() => new Set()) : null;
    if (query !== this.#query.value.trim()) return;
    this.#found = found;
    this.render();
    const count = this.#root.querySelector('.talk-count');
    if (found) label(count, 'talks_found', { n: this.#rows.size });
    else write(count, '');
  }

  #group({ key, heads }) {
    const section = fromTemplate('talk-group-template');
    label(section.querySelector('h3'), DAYS[key]);
    section.querySelector('ul').append(...heads.map(({ id }) => this.#row(id)));
    return section;
  }

  #row(id) {
    const known = this.#rows.get(id);
    if (known) return known;
    const row = fromTemplate('talk-template');
    row.dataset.id = id;
    row.querySelector('.talk-open').addEventListener('click', () => this.#parts.onOpen(id));
    row.querySelector('.talk-undo').addEventListener('click', () => this.#undo(id));
    const more = row.querySelector('.talk-more');
    more.addEventListener('click', () => this.#menu.open(more, id));
    this.#rows.set(id, row);
    return row;
  }

  /** @param {Head} head @param {boolean} isShown @param {boolean} isRunning */
  #paint(head, isShown, isRunning) {
    const row = this.#rows.get(head.id);
    const open = row.querySelector('.talk-open');
    row.classList.toggle('deleted', Boolean(head.deleted));
    row.querySelector('.talk-title').textContent = head.title;
    open.title = head.title;
    row.querySelector('.talk-running').hidden = !isRunning;
    if (isShown) open.setAttribute('aria-current', 'true');
    else open.removeAttribute('aria-current');
    name(row.querySelector('.talk-more'), 'talk_more', { title: head.title });
    label(row.querySelector('.talk-deleted span'), 'talk_deleted', { title: head.title });
  }

  #act(action, id) {
    if (action === 'rename') this.#rename(id);
    else if (action === 'delete') this.#delete(id);
    else this.#parts.onExport(id, action);
  }

  #delete(id) {
    this.#parts.onDelete(id);
    this.#rows.get(id)?.querySelector('.talk-undo').focus();
  }

  #undo(id) {
    this.#parts.onUndo(id);
    this.#rows.get(id)?.querySelector('.talk-open').focus();
  }

  #rename(id) {
    const row = this.#rows.get(id);
    if (!row) return; // another tab has just deleted it
    const open = row.querySelector('.talk-open');
    const input = fromTemplate('talk-rename-template');
    const before = open.querySelector('.talk-title').textContent;
    input.value = before;
    let isOver = false;
    const end = (keep) => {
      if (isOver) return;
      isOver = true;
      const hadFocus = document.activeElement === input;
      row.classList.remove('renaming');
      input.remove();
      if (hadFocus) open.focus();
      if (keep && input.value.trim() && input.value !== before) this.#parts.onRename(id, input.value);
    };
    input.addEventListener('blur', () => end(input.isConnected && document.hasFocus()));
    input.addEventListener('keydown', (event) => {
      if (isComposing(event) || !['Enter', 'Escape'].includes(event.key)) return;
      event.preventDefault();
      end(event.key === 'Enter');
    });
    row.classList.add('renaming');
    row.prepend(input);
    input.select();
    input.focus();
  }
}
