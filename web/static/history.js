/**
 * Conversations kept in this browser. Two that do the same: one in IndexedDB, and one in memory for browsers that refuse.
 * Each turn is a record of its own, so that two tabs in one conversation do not write over each other.
 */

import { matches } from './talks.js';

/** @typedef {import('./talks.js').Head} Head */
/** @typedef {import('./talks.js').Kept} Kept */

/**
 * One write: all of it or nothing. `head` changes some of a head's fields; only with `created` it may make a new one. Where
 * there is no head, turns are not kept: the conversation was deleted.
 * @typedef {{id: string, head?: Partial<Head>, turns?: Kept[], gone?: string[]}} Change
 */

/**
 * @typedef {object} History
 * @property {boolean} lasts whether it outlives the page
 * @property {() => Promise<Head[]>} heads in no order
 * @property {(id: string) => Promise<Kept[]>} turns oldest first
 * @property {(change: Change) => Promise<boolean>} change whether there is such a conversation
 * @property {(id: string) => Promise<void>} remove
 * @property {(query: string) => Promise<Set<string>>} search ids of those whose title or texts hold every word
 */

const NAME = 'conversations';
/** A browser may leave the question open, such as while another tab holds an older version. */
const PATIENCE_MS = 3_000;

const byTime = (a, b) => a.at - b.at || (a.id < b.id ? -1 : 1);
const textsOf = (turns) => turns.flatMap(({ answer }) => [answer.question, answer.text]);

/** @implements {History} */
export class MemoryHistory {
  lasts = false;
  /** @type {Map<string, {head: Head, turns: Map<string, Kept>}>} */
  #talks = new Map();

  async heads() {
    return Array.from(this.#talks.values(), ({ head }) => head);
  }

  async turns(id) {
    return [...(this.#talks.get(id)?.turns.values() ?? [])].sort(byTime);
  }

  async change({ id, head = {}, turns = [], gone = [] }) {
    const talk = this.#talks.get(id) ?? (head.created ? { head: { id }, turns: new Map() } : null);
    if (!talk) return false;
    talk.head = merged(talk.head, head);
    for (const key of gone) talk.turns.delete(key);
    for (const turn of turns) talk.turns.set(turn.id, turn);
    this.#talks.set(id, talk);
    return true;
  }

  async remove(id) {
    this.#talks.delete(id);
  }

  async search(query) {
    const talks = [...this.#talks.values()];
    return new Set(talks.filter(({ head, turns }) => matches(query, [head.title, ...textsOf([...turns.values()])])).map(({ head }) => head.id));
  }
}

/** Where two tabs make the same conversation, the first one names it. @param {Head} head @param {Partial<Head>} change */
const merged = (head, change) => (change.created && head.created ? { ...change, ...head, updated: change.updated } : { ...head, ...change });

/** @param {IDBRequest} request */
const result = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @param {IDBTransaction} transaction on disk when it resolves */
const done = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(undefined);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });

/** @param {string} id every turn of the conversation */
const rangeOf = (id) => IDBKeyRange.bound([id], [id, []]);

/** @implements {History} */
class IndexedHistory {
  lasts = true;
  #db;

  /** @param {IDBDatabase} db */
  constructor(db) {
    this.#db = db;
    // Another tab brings a newer version of the page.
    db.onversionchange = () => db.close();
  }

  heads() {
    return result(this.#db.transaction('heads').objectStore('heads').getAll());
  }

  async turns(id) {
    const found = await result(this.#db.transaction('turns').objectStore('turns').getAll(rangeOf(id)));
    return found.sort(byTime);
  }

  async change({ id, head, turns = [], gone = [] }) {
    const transaction = this.#db.transaction(['heads', 'turns'], 'readwrite');
    const ended = done(transaction);
    const heads = transaction.objectStore('heads');
    const before = (await result(heads.get(id))) ?? (head?.created ? { id } : null);
    if (before) {
      if (head) heads.put(merged(before, head));
      const store = transaction.objectStore('turns');
      for (const key of gone) store.delete([id, key]);
      for (const turn of turns) store.put(turn);
    }
    await ended;
    return Boolean(before);
  }

  async remove(id) {
    const transaction = this.#db.transaction(['heads', 'turns'], 'readwrite');
    const ended = done(transaction);
    transaction.objectStore('heads').delete(id);
    transaction.objectStore('turns').delete(rangeOf(id));
    await ended;
  }

  async search(query) {
    const found = new Set();
    for (const { id, title } of await this.heads()) {
      if (matches(query, [title, ...textsOf(await this.turns(id))])) found.add(id);
    }
    return found;
  }
}

/**
 * @param {IDBFactory} [factory]
 * @returns {Promise<History>}
 */
export async function openHistory(factory) {
  try {
    // Where storage is blocked, even the name throws.
    const request = (factory ?? globalThis.indexedDB).open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('heads', { keyPath: 'id' });
      request.result.createObjectStore('turns', { keyPath: ['talk', 'id'] });
    };
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('no answer')), PATIENCE_MS));
    return new IndexedHistory(await Promise.race([result(request), late]));
  } catch {
    return new MemoryHistory();
  }
}
