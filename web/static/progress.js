/** Shows documents on their way in: one bar for all, a row for each that is worked on or has failed, the rest in numbers. */

import { label, lang, name, t } from './i18n.js';
import { arrange, fillSolutions } from './lists.js';
import { fromTemplate } from './template.js';
import { hasEnded } from './uploads.js';

/** @typedef {import('./uploads.js').Item} Item */

const PAINT_MS = 150;
/** A screen reader hears of progress this often at most. */
const SPEAK_MS = 5_000;
/** Rows at most, so that thousands of files do not make the page slow. */
const SHOWN = { working: 4, waiting: 2, ended: 3, failed: 50 };
const NAMES = 200;

/**
 * Which files get a row: those being worked on, the next few that wait, the last few that have ended.
 * @param {Iterable<Item>} items in their order
 * @returns {{rows: Item[], failed: Item[], more: {waiting: number, stored: number, failed: number}}}
 */
export function pick(items) {
  const kinds = { working: [], waiting: [], ended: [], failed: [] };
  let stored = 0;
  for (const item of items) {
    if (item.state === 'stored') stored++;
    const kind = item.state === 'failed' ? 'failed' : hasEnded(item) ? 'ended' : isWaiting(item) ? 'waiting' : 'working';
    kinds[kind].push(item);
  }
  const rows = [
    ...kinds.ended.slice(-SHOWN.ended),
    ...kinds.working.slice(0, SHOWN.working),
    ...kinds.waiting.slice(0, SHOWN.waiting),
  ];
  return {
    rows: rows.sort((a, b) => a.key - b.key),
    failed: kinds.failed.slice(0, SHOWN.failed),
    more: {
      waiting: Math.max(0, kinds.waiting.length - SHOWN.waiting),
      stored,
      failed: Math.max(0, kinds.failed.length - SHOWN.failed),
    },
  };
}

const isWaiting = ({ state }) => state === 'waiting' || state === 'queued';

/** @param {{total: number, ended: number, failed: number, cancelled: number, stored: number}} counts @returns {[string, object]} text and values */
export function inWords(counts) {
  const { total, ended, failed, stored } = counts;
  if (ended < total) return [failed ? 'progress_failed' : 'progress', { ended, total, failed }];
  return [failed ? 'progress_done_failed' : 'progress_done', { stored, failed }];
}

export class Progress {
  #root;
  #uploads;
  #announcer;
  #rows = new Map();
  #timer = 0;
  #spokenAt = 0;
  #speaking = 0;
  #said = '';

  /**
   * @param {HTMLElement} root
   * @param {HTMLElement} announcer
   * @param {import('./uploads.js').Uploads} uploads
   * @param {() => void} onClear
   */
  constructor(root, announcer, uploads, onClear) {
    this.#root = root;
    this.#announcer = announcer;
    this.#uploads = uploads;
    const on = (selector, run) => root.querySelector(selector).addEventListener('click', run);
    on('.cancel-all', () => uploads.cancelAll());
    on('.retry-failed', () => uploads.retryFailed());
    on('.clear', onClear);
    root.querySelector('.finished').addEventListener('toggle', () => this.#listFinished());
  }

  /** Paints soon; many changes make one painting. */
  touch() {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#paint();
    }, PAINT_MS);
  }

  #paint() {
    const { items, summary, isRunning } = this.#uploads;
    const root = this.#root;
    const hadFocus = root.contains(document.activeElement);
    root.hidden = !summary.total;
    const picked = pick(items);
    const [key, values] = inWords(summary);
    label(root.querySelector('.progress-text'), key, values);
    const bar = root.querySelector('.progress-bar');
    bar.hidden = !isRunning || summary.total < 2;
    bar.max = summary.total || 1;
    bar.value = summary.ended;
    root.querySelector('.cancel-all').hidden = !isRunning;
    root.querySelector('.retry-failed').hidden = !picked.failed.some(({ file }) => file);
    root.querySelector('.clear').hidden = isRunning;
    this.#fill('.jobs', picked.rows);
    this.#fill('.failures', picked.failed);
    for (const row of this.#rows.values()) if (!picked.rows.includes(row.item) && !picked.failed.includes(row.item)) this.#rows.delete(row.item);
    this.#count('.more-waiting', 'more_waiting', picked.more.waiting + summary.total - items.size);
    this.#count('.more-failed', 'more_failed', picked.more.failed);
    root.querySelector('.finished').hidden = picked.more.stored <= SHOWN.ended;
    label(root.querySelector('.finished summary'), 'finished', { n: picked.more.stored });
    // What had the focus may be gone: it stays near, not at the top of the page.
    if (hadFocus && document.activeElement === document.body && !root.hidden) root.querySelector('.progress-text').focus();
    this.#speak(t(key, values), isRunning);
  }

  #fill(selector, items) {
    const elements = items.map((item) => {
      if (!this.#rows.has(item)) this.#rows.set(item, new JobRow(item, this.#uploads));
      const row = this.#rows.get(item);
      row.paint();
      return row.element;
    });
    arrange(this.#root.querySelector(selector), elements);
  }

  #count(selector, key, n) {
    const element = this.#root.querySelector(selector);
    element.hidden = n <= 0;
    label(element, key, { n });
  }

  /** Only who opens it has the names of what is done, and of so many. */
  #listFinished() {
    const details = this.#root.querySelector('.finished');
    const stored = details.open ? [...this.#uploads.items].filter(({ state }) => state === 'stored').slice(-NAMES) : [];
    details.querySelector('ul').replaceChildren(
      ...stored.map((item) => {
        const element = document.createElement('li');
        element.textContent = item.name;
        element.dir = 'auto';
        return element;
      }),
    );
  }

  #speak(text, isRunning) {
    if (text === this.#said) return;
    const wait = isRunning ? this.#spokenAt + SPEAK_MS - Date.now() : 0;
    clearTimeout(this.#speaking);
    this.#speaking = setTimeout(() => {
      this.#said = text;
      this.#spokenAt = Date.now();
      this.#announcer.textContent = text;
    }, Math.max(0, wait));
  }
}

class JobRow {
  element = fromTemplate('job-template');
  #uploads;

  /** @param {Item} item @param {import('./uploads.js').Uploads} uploads */
  constructor(item, uploads) {
    this.item = item;
    this.#uploads = uploads;
    const shown = this.element.querySelector('.job-name');
    shown.textContent = shown.title = item.name;
    this.element.querySelector('progress').setAttribute('aria-label', item.name);
    const buttons = { '.job-cancel': ['cancel_file', 'cancel'], '.job-retry': ['retry_file', 'retry'] };
    for (const [selector, [key, act]] of Object.entries(buttons)) {
      const button = this.element.querySelector(selector);
      name(button, key, { name: item.name });
      button.addEventListener('click', () => uploads[act](item));
    }
  }

  paint() {
    const { item, element } = this;
    const { state, done, total, sent } = item;
    const isEmbedding = state === 'embedding' && total > 0;
    element.dataset.state = state;
    label(element.querySelector('.job-state'), this.#key(isEmbedding), {
      done,
      total,
      percent: `${Math.floor(100 * sent).toLocaleString(lang())}%`,
    });
    const bar = element.querySelector('progress');
    bar.hidden = hasEnded(item) || isWaiting(item);
    const value = isEmbedding ? done / total : state === 'uploading' && sent < 1 ? sent : null;
    if (value === null) bar.removeAttribute('value');
    else bar.value = value;
    element.querySelector('.job-cancel').hidden = hasEnded(item) || item.isLeaving;
    element.querySelector('.job-retry').hidden = state !== 'failed' || !item.file;
    this.#paintError();
  }

  #key(isEmbedding) {
    const { state, duplicate, isLeaving } = this.item;
    if (isLeaving) return 'job_leaving';
    if (duplicate) return 'job_duplicate';
    return state === 'embedding' && !isEmbedding ? 'job_embedding_start' : `job_${state}`;
  }

  #paintError() {
    const { error, state } = this.item;
    const box = this.element.querySelector('.job-error');
    if (box.hidden === !(state === 'failed' && error)) return;
    box.hidden = state !== 'failed';
    box.querySelector('.error-message').textContent = error?.message ?? '';
    fillSolutions(box.querySelector('.solutions'), error?.solutions);
  }
}
