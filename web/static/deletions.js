/** Deleting that can be undone: a document is out of sight at once, and is deleted when the time to undo is over. */

import { guardedFetch } from './door.js';
import { lang, t } from './i18n.js';
import { addressOf } from './links.js';
import { ownError } from './send.js';

/** @typedef {import('./send.js').ErrorBody} ErrorBody */
/** @typedef {{id: string, name: string, wasChosen?: boolean}} Doomed */

export const UNDO_MS = 10_000;

/**
 * @param {string} id
 * @param {{keepalive?: boolean}} [how] kept alive, it outlives the page
 * @returns {Promise<ErrorBody|null>} what went wrong
 */
export async function deleteDocument(id, { keepalive = false } = {}, fetch = guardedFetch) {
  try {
    const response = await fetch(addressOf(id), {
      method: 'DELETE',
      keepalive,
      headers: { 'Accept-Language': lang() },
    });
    // Somebody else was faster.
    if (response.ok || response.status === 404) return null;
    const body = await response.json().catch(() => null);
    return body?.message ? body : ownError(t('delete_refused', { status: String(response.status) }));
  } catch {
    return ownError(t('delete_network'));
  }
}

export class Deletions {
  /** @type {Map<string, {document: Doomed, timer: number}>} */
  #waiting = new Map();
  /** @type {Map<string, Promise<void>>} */
  #running = new Map();
  #parts;

  /**
   * @param {object} parts
   * @param {() => void} parts.onChange another document waits to be deleted, or no longer does
   * @param {(document: Doomed, error: ErrorBody|null) => void} parts.onEnd it was deleted, or why it was not
   * @param {typeof deleteDocument} [parts.send]
   */
  constructor({ onChange, onEnd, send = deleteDocument }) {
    this.#parts = { onChange, onEnd, send };
  }

  /** Those that can be brought back, the latest first. @returns {Doomed[]} */
  get waiting() {
    return Array.from(this.#waiting.values(), ({ document }) => document).reverse();
  }

  /** Whether the document is out of sight. @param {string} id */
  has(id) {
    return this.#waiting.has(id) || this.#running.has(id);
  }

  get size() {
    return this.#waiting.size + this.#running.size;
  }

  /** @param {Doomed} document */
  add(document) {
    if (this.has(document.id)) return;
    const timer = setTimeout(() => this.#send(document), UNDO_MS);
    this.#waiting.set(document.id, { document, timer });
    this.#parts.onChange();
  }

  /** @param {string} id @returns {boolean} false when it is too late */
  undo(id) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return false;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    this.#parts.onChange();
    return true;
  }

  /** Deletes at once all that wait. @param {{keepalive?: boolean}} [how] */
  async flush(how) {
    for (const { document } of [...this.#waiting.values()]) this.#send(document, how);
    await Promise.all(this.#running.values());
  }

  #send(document, how) {
    const { id } = document;
    clearTimeout(this.#waiting.get(id)?.timer);
    this.#waiting.delete(id);
    const done = this.#parts.send(id, how).then((error) => {
      this.#running.delete(id);
      this.#parts.onEnd(document, error);
    });
    this.#running.set(id, done);
    this.#parts.onChange();
  }
}
