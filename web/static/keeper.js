/** Keeps conversations while they go on, tells other tabs, and forgets those that were deleted. */

import { store, stored, storedUnder } from './storage.js';
import { titleOf } from './talks.js';

/** @typedef {import('./talks.js').Head} Head */
/** @typedef {import('./talks.js').Kept} Kept */
/** @typedef {import('./history.js').History} History */

/** What an answer has grown by is kept at most this often. */
const SAVE_MS = 1_000;
/** How long a deletion can be taken back. */
export const UNDO_MS = 10_000;
const CHANNEL = 'conversations';
/** Begins the key of a deletion's time. A page that goes at once has no time left to write to the history. */
const DELETED = 'deleted:';

export class Keeper {
  /** What there is, whether deleted or not, by id. @type {Map<string, Head>} */
  heads = new Map();
  /** Whether the browser keeps what it is given. */
  lasts = true;

  #history;
  #parts;
  #channel;
  #now;
  /** What is to be kept, by turn. @type {Map<object, {id: string, record: () => Kept|null}>} */
  #waiting = new Map();
  #timer = null;
  #writes = 0;
  #deletions = new Map();

  /**
   * @param {Promise<History>} history
   * @param {object} parts
   * @param {() => void} parts.onChange the list is another
   * @param {(id: string) => void} parts.onTold another tab has changed this conversation
   * @param {(id: string) => void} parts.onGone it is deleted for good: the server is to forget it
   * @param {BroadcastChannel|null} [parts.channel]
   * @param {() => number} [parts.now]
   */
  constructor(history, { channel = openChannel(), now = Date.now, ...parts }) {
    this.#history = history;
    this.#parts = parts;
    this.#channel = channel;
    this.#now = now;
    if (channel) channel.onmessage = ({ data }) => this.#told(data);
  }

  /** Reads the list. What another page deleted and had no time to remove is removed now. */
  async load() {
    const history = await this.#history;
    try {
      let heads, begun;
      do {
        begun = this.#writes; // what is written while it is read would be missed
        heads = await history.heads();
      } while (begun !== this.#writes);
      this.heads = new Map(heads.map((head) => [head.id, head]));
      this.lasts &&= history.lasts;
    } catch {
      this.lasts = false;
    }
    for (const id of storedUnder('localStorage', DELETED)) {
      const head = this.heads.get(id);
      if (head) head.deleted ??= Number(stored('localStorage', DELETED + id));
      else store('localStorage', DELETED + id, '');
    }
    for (const { id, deleted } of this.heads.values()) {
      if (deleted && deleted + 2 * UNDO_MS < this.#now()) this.#remove(id);
    }
    this.#parts.onChange();
  }

  /** @param {string} id @returns {Promise<Kept[]>} */
  async turns(id) {
    try {
      return await (await this.#history).turns(id);
    } catch {
      return [];
    }
  }

  /** @param {string} query @returns {Promise<Set<string>>} */
  async search(query) {
    return (await this.#history).search(query);
  }

  // ---------------------------------------------------------------- keeping

  /**
   * @param {string} id the conversation
   * @param {object} turn
   * @param {() => Kept|null} record what to keep of it, asked when it is written; null where it was taken out
   * @param {boolean} now
   */
  keep(id, turn, record, now) {
    this.#waiting.set(turn, { id, record });
    if (now) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(false), SAVE_MS);
  }

  /** Writes what waits. @param {boolean} [tell] whether other tabs should look at once */
  flush(tell = true) {
    clearTimeout(this.#timer);
    this.#timer = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const id of new Set(waiting.map((one) => one.id))) {
      const turns = waiting.filter((one) => one.id === id).flatMap(({ record }) => record() ?? []);
      if (turns.length) this.#write({ id, turns }, tell);
    }
  }

  /** What was to be kept of a conversation that is gone would bring it back. @param {string} id */
  #drop(id) {
    for (const [turn, one] of this.#waiting) if (one.id === id) this.#waiting.delete(turn);
  }

  /** @param {string} id @param {Kept[]} turns @param {string[]} gone */
  swap(id, turns, gone) {
    this.flush();
    this.#write({ id, turns, gone }, true);
  }

  /** @param {import('./history.js').Change} change @param {boolean} tell */
  async #write(change, tell) {
    const { id, turns = [] } = change;
    const asked = Math.max(0, ...turns.map(({ at }) => at));
    const before = this.heads.get(id);
    if (asked && !before) change.head = { title: titleOf(turns[0].answer.question), created: asked, updated: asked };
    else if (asked > before?.updated) change.head = { updated: asked };
    if (change.head) {
      this.heads.set(id, { id, ...before, ...change.head });
      this.#parts.onChange();
    }
    try {
      const history = await this.#history;
      this.#writes += 1;
      await history.change(change);
    } catch {
      this.#refused();
    }
    if (tell) this.#tell(id);
  }

  #refused() {
    this.lasts = false;
    this.#parts.onChange();
  }

  // ---------------------------------------------------------------- the list

  /** @param {string} id @param {string} title */
  rename(id, title) {
    const name = titleOf(title);
    if (name) this.#head(id, { title: name });
  }

  /** It is out of the list at once, and gone for good after a while. @param {string} id */
  delete(id) {
    const deleted = this.#now();
    store('localStorage', DELETED + id, String(deleted));
    this.#head(id, { deleted });
    this.#deletions.set(id, setTimeout(() => this.#expire(id), UNDO_MS));
  }

  /** @param {string} id */
  undo(id) {
    clearTimeout(this.#deletions.get(id));
    this.#deletions.delete(id);
    store('localStorage', DELETED + id, '');
    this.#head(id, { deleted: undefined });
  }

  /** The page goes: nothing can be taken back any more. */
  leave() {
    this.flush();
    for (const id of [...this.#deletions.keys()]) this.#expire(id);
  }

  /** Its time to be brought back is over; another tab may have done that. */
  #expire(id) {
    if (this.heads.get(id)?.deleted) this.#remove(id);
    else this.#deletions.delete(id);
  }

  #head(id, change) {
    const before = this.heads.get(id);
    if (!before) return;
    this.heads.set(id, { ...before, ...change });
    this.#write({ id, head: change }, true);
    this.#parts.onChange();
  }

  async #remove(id) {
    clearTimeout(this.#deletions.get(id));
    this.#deletions.delete(id);
    this.heads.delete(id);
    this.#parts.onGone(id);
    this.#drop(id);
    this.#parts.onChange();
    try {
      const history = await this.#history;
      this.#writes += 1;
      await history.remove(id);
      store('localStorage', DELETED + id, '');
    } catch {
      this.#refused();
    }
    this.#tell(id);
  }

  // ---------------------------------------------------------------- other tabs

  #tell(id) {
    this.#channel?.postMessage(id);
  }

  async #told(id) {
    await this.load();
    if (!this.heads.has(id)) this.#drop(id);
    this.#parts.onTold(id);
  }
}

function openChannel() {
  try {
    return new BroadcastChannel(CHANNEL);
  } catch {
    return null;
  }
}
