/** Which documents a question is asked of: the choice of the conversation that is shown. None chosen: all are asked. */

/** @typedef {{id: string, name: string}} Chosen */

/** As many as one message may name. */
export const MOST = 100;
/** Conversations whose choice is kept. */
const KEPT = 50;

/** @param {string|null} text what was kept, which anybody may have changed @returns {Record<string, Chosen[]>} */
export function remembered(text) {
  try {
    const kept = JSON.parse(text ?? '{}');
    return Object.fromEntries(Object.entries(kept).filter(([, chosen]) => Array.isArray(chosen)));
  } catch {
    return {};
  }
}

export class Selection {
  /** @type {Map<string, string>} */
  #names = new Map();
  #session = '';
  #listeners = new Set();
  #kept;
  #keep;

  /**
   * @param {Record<string, Chosen[]>} [kept] what `keep` was given last
   * @param {(kept: Record<string, Chosen[]>) => void} [keep]
   */
  constructor(kept = {}, keep = () => {}) {
    this.#kept = new Map(Object.entries(kept));
    this.#keep = keep;
  }

  /** Shows the choice of another conversation. @param {string} session */
  show(session) {
    this.#session = session;
    this.#names = new Map((this.#kept.get(session) ?? []).map(({ id, name }) => [id, name]));
    this.#tell();
  }

  /** @returns {Chosen[]} in the order they were chosen */
  get() {
    return Array.from(this.#names, ([id, name]) => ({ id, name }));
  }

  /** Those of any conversation. @param {string} session @returns {string[]} */
  idsOf(session) {
    return (this.#kept.get(session) ?? []).map(({ id }) => id);
  }

  get size() {
    return this.#names.size;
  }

  /** @param {string} id */
  has(id) {
    return this.#names.has(id);
  }

  /**
   * @param {string} id
   * @param {string} name
   * @returns {boolean} false where it would be one too many
   */
  toggle(id, name) {
    if (!this.#names.delete(id)) {
      if (this.size >= MOST) return false;
      this.#names.set(id, name);
    }
    this.#changed();
    return true;
  }

  clear() {
    if (!this.size) return;
    this.#names.clear();
    this.#changed();
  }

  /** @param {() => void} listener called after each change */
  subscribe(listener) {
    this.#listeners.add(listener);
  }

  #changed() {
    this.#kept.delete(this.#session);
    if (this.size) this.#kept.set(this.#session, this.get());
    while (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
    this.#keep(Object.fromEntries(this.#kept));
    this.#tell();
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }
}
