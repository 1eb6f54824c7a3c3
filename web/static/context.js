/** What the server still knows of a conversation: it forgets one some time after its last use. */

import { guardedFetch } from './door.js';

/** What it takes to look again where the server did not answer. */
const RETRY_MS = 30_000;
/** Timers hold no more; milliseconds. */
const LONGEST_WAIT = 2 ** 31 - 1;

export class Context {
  /** The longest life seen: what a conversation has after its use. Milliseconds, 0 while unknown. */
  static life = 0;

  #session;
  #fetch;
  #now;
  #ends = 0;
  #timer = null;

  /**
   * @param {string} session
   * @param {{fetch?: typeof globalThis.fetch, now?: () => number}} [parts]
   */
  constructor(session, { fetch = guardedFetch, now = Date.now } = {}) {
    this.#session = session;
    this.#fetch = fetch;
    this.#now = now;
  }

  /** Milliseconds in which the server surely still knows it. */
  get left() {
    return Math.max(0, this.#ends - this.#now());
  }

  /** An answer has ended: its time begins anew. */
  used() {
    this.#ends = this.#now() + Context.life;
  }

  /**
   * Asks the server, which is no use of the conversation.
   * @returns {Promise<object[]|null|undefined>} its turns; null where it knows none, undefined where it did not say
   */
  async look() {
    this.#ends = this.#now() + RETRY_MS;
    try {
      const response = await this.#fetch(`sessions/${encodeURIComponent(this.#session)}`, { cache: 'no-store' });
      if (response.status === 404) return null;
      if (!response.ok) return undefined;
      const { turns, expires_in: seconds } = await response.json();
      const left = Number(seconds) * 1000 || 0;
      Context.life = Math.max(Context.life, left);
      this.#ends = this.#now() + left;
      return Array.isArray(turns) ? turns : [];
    } catch {
      return undefined;
    }
  }

  /** Calls when the server may have forgotten it. @param {() => void} run */
  onDue(run) {
    clearTimeout(this.#timer);
    if (this.left) this.#timer = setTimeout(run, Math.min(this.left + 1_000, LONGEST_WAIT));
  }

  /** Calls no more. */
  close() {
    clearTimeout(this.#timer);
  }

  /** Makes the server forget it now; goes out even while the page closes. */
  async end() {
    try {
      await this.#fetch(`sessions/${encodeURIComponent(this.#session)}`, { method: 'DELETE', keepalive: true });
    } catch {
      /* the server forgets it by itself before long */
    }
  }
}
