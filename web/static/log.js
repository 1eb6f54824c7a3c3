/** The turns of a conversation in their order: what the page shows of them, and what is kept of each. */

import { label } from './i18n.js';
import { isKnown } from './talks.js';
import { fromTemplate } from './template.js';

/** @typedef {import('./talks.js').Kept} Kept */
/** @typedef {import('./turn.js').Turn} Turn */
/** @typedef {import('./client.js').Answer} Answer */

/** Turns that are painted in one frame while a long conversation opens. */
const CHUNK = 12;

const nextTask = () => new Promise((resolve) => setTimeout(resolve));

export class Log {
  element = fromTemplate('log-template');
  /** Oldest first. @type {Turn[]} */
  turns = [];
  /** @type {Map<Turn, Kept>} */
  #kept = new Map();
  #makeTurn;
  /** What offers to bring back what a turn was to replace. @type {Map<Turn, HTMLElement>} */
  #earlier = new Map();
  #ended = null;

  /** @param {(answer: Answer) => Turn} makeTurn */
  constructor(makeTurn) {
    this.#makeTurn = makeTurn;
  }

  /** What is kept beside the turn's answer; may be changed. @param {Turn} turn @returns {Kept} */
  about(turn) {
    return this.#kept.get(turn);
  }

  /** @param {Turn} turn @returns {Kept|null} as it is now, to be kept; null where it was taken out */
  record(turn) {
    const kept = this.#kept.get(turn);
    return kept ? { ...kept, sent: kept.sent || turn.sent, answer: turn.answer } : null;
  }

  /** @param {string} id @returns {Turn|undefined} */
  find(id) {
    return this.turns.find((turn) => this.#kept.get(turn).id === id);
  }

  /** Puts a turn in its place. @param {Kept} kept @returns {Turn} */
  add(kept) {
    const turn = this.#makeTurn(kept.answer);
    const at = this.turns.findIndex((other) => this.#kept.get(other).at > kept.at);
    const next = this.turns[at];
    this.turns.splice(next ? at : this.turns.length, 0, turn);
    this.#kept.set(turn, kept);
    const before = next && (this.#kept.get(next).anew ? next.element.previousElementSibling : next.element);
    this.element.insertBefore(turn.element, before ?? null);
    if (kept.anew) {
      if (!next) this.#begin();
      turn.element.before(note());
    }
    return turn;
  }

  /** @param {Turn} turn */
  remove(turn) {
    this.#earlier.get(turn)?.remove();
    this.#earlier.delete(turn);
    if (this.#kept.get(turn).anew) turn.element.previousElementSibling.remove();
    turn.element.remove();
    this.#kept.delete(turn);
    this.turns = this.turns.filter((other) => other !== turn);
  }

  /**
   * After an answer has ended: what it replaces is let go where it ended well, and offered where not.
   * @param {Turn} turn
   * @param {() => void} onBack the earlier turns are to be brought back
   */
  settle(turn, onBack) {
    const about = this.about(turn);
    this.#earlier.get(turn)?.remove();
    this.#earlier.delete(turn);
    // Of one that was interrupted, the server may know nothing.
    if (isKnown(turn.answer) && turn.answer.phase !== 'interrupted') Object.assign(about, { instead: [], replaces: '' });
    else if (about.instead.length) {
      const offer = fromTemplate('earlier-template');
      offer.querySelector('button').addEventListener('click', onBack);
      turn.element.after(offer);
      this.#earlier.set(turn, offer);
    }
  }

  /** Whether there is something that the server could have forgotten. */
  get hasContext() {
    if (this.hasEnded) return false;
    for (const turn of [...this.turns].reverse()) {
      if (isKnown(turn.answer)) return true;
      if (this.about(turn).anew) return false;
    }
    return false;
  }

  /** Whether the server has forgotten all that was said; a question that is asked now is `anew`. */
  get hasEnded() {
    return this.#ended !== null;
  }

  /** Says so below the last turn that the server has had. */
  end() {
    if (this.#ended) return;
    const next = this.turns.find((turn) => !turn.sent && turn.answer.phase === 'waiting');
    if (next) {
      this.#kept.get(next).anew = true;
      next.element.before(note());
    } else {
      this.#ended = note();
      this.element.append(this.#ended);
    }
  }

  #begin() {
    this.#ended?.remove();
    this.#ended = null;
  }

  /**
   * Paints what was kept, the newest first, so that a long conversation is there at once.
   * @param {Kept[]} kept oldest first
   * @param {(turn: Turn) => void} added
   * @param {() => boolean} goOn asked before each part
   */
  async restore(kept, added, goOn) {
    this.element.setAttribute('aria-live', 'off'); // what was said before is no news
    for (let end = kept.length; end > 0; end -= CHUNK) {
      if (end < kept.length) await nextTask();
      if (!goOn()) break;
      const part = kept.slice(Math.max(0, end - CHUNK), end);
      for (const one of part) if (!this.find(one.id)) added(this.add(one));
    }
    await nextTask();
    this.element.setAttribute('aria-live', 'polite');
  }
}

function note() {
  const element = fromTemplate('context-ended-template');
  label(element, 'context_ended');
  return element;
}
