/** The conversations that are open: the one that is shown, and those whose answers still run. */

import { newId } from './client.js';
import { Context } from './context.js';
import { Conversation } from './conversation.js';
import { store, stored, storedUnder } from './storage.js';

/** @typedef {import('./keeper.js').Keeper} Keeper */

const DRAFT = 'draft:';
const SESSION = 'session';

export class Desk {
  /** @type {Conversation} */
  shown;
  #place;
  #keeper;
  #parts;
  /** @type {Map<string, Conversation>} */
  #open = new Map();

  /**
   * @param {HTMLElement} place where the shown conversation stands
   * @param {Keeper} keeper
   * @param {object} parts those of a conversation that are the same for all, and:
   * @param {string} parts.tab tells this tab from others
   * @param {() => void} parts.onShow another conversation is shown
   * @param {() => void} parts.onRestored all that was said before is there
   * @param {() => void} parts.onChange the one that is shown has changed, or what is running
   * @param {(turn: import('./turn.js').Turn) => void} parts.onEnd an answer in the one that is shown has ended
   */
  constructor(place, keeper, parts) {
    this.#place = place;
    this.#keeper = keeper;
    this.#parts = parts;
  }

  /** Ids of the conversations whose answers run. */
  get running() {
    return new Set([...this.#open.values()].filter(({ isRunning }) => isRunning).map(({ session }) => session));
  }

  /** Shows the conversation of this tab, or a new one. @param {boolean} isCopy whether the tab's belongs to another tab */
  begin(isCopy) {
    const id = stored('sessionStorage', SESSION);
    if (id && !isCopy) this.show(id);
    else this.showNew();
  }

  /** Shows one in which nothing was said yet. */
  showNew() {
    if (!this.shown?.isEmpty || this.#keeper.heads.has(this.shown.session)) this.show(newId(), true);
  }

  /** @param {string} id @param {boolean} [isNew] */
  show(id, isNew = false) {
    const before = this.shown;
    if (before?.session === id) return;
    store('sessionStorage', SESSION, id);
    this.shown = this.#open.get(id) ?? this.#load(id, isNew);
    this.#place.replaceChildren(this.shown.element);
    this.#closeIfIdle(before);
    this.#parts.onShow();
    this.shown.connect();
  }

  /** @param {string} id @param {boolean} isNew */
  #load(id, isNew) {
    const conversation = new Conversation(id, {
      ...this.#parts,
      options: () => this.#parts.options(id),
      onChange: () => this.#parts.onChange(),
      onEnd: (turn) => {
        if (conversation === this.shown) this.#parts.onEnd(turn);
        else queueMicrotask(() => this.#closeIfIdle(conversation));
      },
      keep: (turn, now) => this.#keeper.keep(id, turn, () => conversation.record(turn), now),
      swap: (turns, gone) => this.#keeper.swap(id, turns, gone),
    });
    this.#open.set(id, conversation);
    if (!isNew) {
      conversation.restore(this.#keeper.turns(id)).then(() => conversation === this.shown && this.#parts.onRestored());
    }
    return conversation;
  }

  /** It is painted anew from what was kept when it is shown again. */
  #closeIfIdle(conversation) {
    if (!conversation || conversation === this.shown || conversation.isRunning) return;
    this.#keeper.flush();
    conversation.close();
    this.#open.delete(conversation.session);
    this.#parts.onChange();
  }

  /** Another tab has changed a conversation. @param {string} id */
  async told(id) {
    const conversation = this.#open.get(id);
    if (conversation && this.#keeper.heads.has(id)) conversation.sync(await this.#keeper.turns(id));
    else if (conversation && !conversation.isEmpty) this.#leave(conversation);
  }

  /** A conversation is deleted for good. @param {string} id */
  end(id) {
    const conversation = this.#open.get(id);
    if (conversation) this.#leave(conversation);
    new Context(id).end();
    this.keepDraft(id, '');
  }

  #leave(conversation) {
    conversation.close();
    this.#open.delete(conversation.session);
    if (conversation === this.shown) this.show(newId(), true);
    this.#parts.onChange();
  }

  /** @param {(conversation: Conversation) => void} run */
  each(run) {
    for (const conversation of this.#open.values()) run(conversation);
  }

  // ---------------------------------------------------------------- what is typed and not sent

  /** @param {string} id @param {string} text */
  keepDraft(id, text) {
    store('localStorage', DRAFT + id, text);
  }

  get draft() {
    return stored('localStorage', DRAFT + this.shown.session) ?? '';
  }

  /** Drafts of conversations that were never begun are let go. */
  tidyDrafts() {
    for (const id of storedUnder('localStorage', DRAFT)) {
      if (id !== this.shown.session && !this.#keeper.heads.has(id)) this.keepDraft(id, '');
    }
  }
}
