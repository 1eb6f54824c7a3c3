/** One conversation: what was asked and answered in it, what is kept of that, and what the server still knows. */

import { hasEnded, newAnswer, newId } from './client.js';
import { Context } from './context.js';
import { Exchange } from './exchange.js';
import { Log } from './log.js';
import { isKnown, settled, told } from './talks.js';
import { Turn } from './turn.js';

/** @typedef {import('./talks.js').Kept} Kept */

/**
 * @typedef {object} Parts
 * @property {(turn: Turn) => void} touch paints the turn in the next frame
 * @property {() => boolean} isReady whether the model can be asked
 * @property {() => object|undefined} options how the person wants answers, for the next question
 * @property {() => void} onChange the connection, what is running or what there is has changed
 * @property {(turn: Turn) => void} onEnd an answer has ended
 * @property {(turn: Turn, now: boolean) => void} keep the turn is to be kept; `now`: others should know at once
 * @property {(turns: Kept[], gone: string[]) => void} swap some turns are kept in place of others
 * @property {string} tab tells this tab's questions from those of others
 * @property {(answer: import('./client.js').Answer, number: number) => void} onCite a source of an answer is to be shown
 */

export class Conversation {
  /** Whether what was kept of it is still to come. */
  isLoading = false;
  #parts;
  #exchange;
  #context;
  #log = new Log((answer) => this.#newTurn(answer));
  #looking = null;

  /**
   * @param {string} session
   * @param {Parts} parts
   */
  constructor(session, parts) {
    this.session = session;
    this.#parts = parts;
    this.#context = new Context(session);
    this.#exchange = new Exchange(session, {
      touch: parts.touch,
      isReady: parts.isReady,
      mayAsk: () => this.#mayAsk(),
      more: (turn) => ({ replaces: this.#log.about(turn).replaces || undefined, options: parts.options() }),
      onChange: parts.onChange,
      onSent: (turn) => parts.keep(turn, true),
      onProgress: (turn) => parts.keep(turn, hasEnded(turn.answer)),
      onEnd: (turn) => this.#onEnd(turn),
    });
  }

  get element() {
    return this.#log.element;
  }

  get state() {
    return this.#exchange.state;
  }

  get retryAt() {
    return this.#exchange.retryAt;
  }

  get isRestarting() {
    return this.#exchange.isRestarting;
  }

  get isEmpty() {
    return !this.isLoading && !this.#log.turns.length;
  }

  get isRunning() {
    return this.#exchange.isRunning;
  }

  get isStopping() {
    return this.#exchange.isStopping;
  }

  // ---------------------------------------------------------------- asking

  /** @param {string} question */
  ask(question) {
    const turn = this.#add(question, { at: this.#nextTime(), anew: this.#log.hasEnded });
    this.#parts.keep(turn, true);
    this.#exchange.add(turn);
  }

  /**
   * Asks anew in the place of a turn and of all after it. These are kept until the new answer has ended well.
   * @param {Turn} turn
   * @param {string} [question] in other words
   */
  askAgain(turn, question = turn.answer.question) {
    const about = this.#log.about(turn);
    if (!about) return;
    const same = question === turn.answer.question;
    if (same && hasEnded(turn.answer) && !isKnown(turn.answer)) {
      // The server keeps nothing of it, and what came after stands by itself.
      turn.begin(newAnswer(newId(), question));
      about.sent = false;
      this.#parts.keep(turn, true);
      return this.#exchange.add(turn);
    }
    const gone = this.#log.turns.slice(this.#log.turns.indexOf(turn));
    const kept = gone.map((other) => this.#log.record(other));
    const first = gone.find(({ answer }) => isKnown(answer));
    for (const other of gone) this.#leave(other);
    const instead = first ? kept.map((one) => ({ ...one, instead: [], answer: settled(one.answer) })) : about.instead;
    const replaces = first?.answer.messageId ?? about.replaces;
    const again = this.#add(question, { at: about.at, anew: about.anew, replaces, instead });
    this.#parts.swap([this.#log.record(again)], kept.map(({ id }) => id));
    again.element.tabIndex = -1;
    again.element.focus({ preventScroll: true }); // the button that was pressed is gone
    this.#exchange.add(again);
  }

  /** @param {string} question @param {Partial<Kept>} about @returns {Turn} */
  #add(question, about) {
    const answer = newAnswer(newId(), question);
    const rest = { talk: this.session, id: newId(), tab: this.#parts.tab, sent: false, anew: false, replaces: '', instead: [] };
    return this.#log.add({ ...rest, ...about, answer });
  }

  /** Later than all before, even where the clock was set back. */
  #nextTime() {
    const last = this.#log.turns.at(-1);
    return Math.max(Date.now(), last ? this.#log.about(last).at + 1 : 0);
  }

  /** @param {import('./client.js').Answer} answer */
  #newTurn(answer) {
    return new Turn(answer, {
      onRetry: (turn) => this.askAgain(turn),
      onEdit: (turn, text) => this.askAgain(turn, text),
      onCite: this.#parts.onCite,
    });
  }

  /** Takes a turn off the page; what runs of it is cancelled. @param {Turn} turn */
  #leave(turn) {
    this.#exchange.drop(turn);
    this.#log.remove(turn);
  }

  #onEnd(turn) {
    this.#settle(turn);
    this.#context.used();
    this.#context.onDue(() => this.look());
    this.#parts.onEnd(turn);
    if (turn.answer.phase === 'interrupted') this.look();
  }

  // ---------------------------------------------------------------- what was said before

  /** @param {Turn} turn whose answer has ended */
  #settle(turn) {
    this.#log.settle(turn, () => this.#bringBack(turn));
  }

  /** The turns that a failed answer was to replace. @param {Turn} turn */
  #bringBack(turn) {
    const { id, instead } = this.#log.about(turn);
    this.#leave(turn);
    for (const kept of instead) this.#log.add(kept);
    this.#parts.swap(instead, [id]);
    this.#parts.onChange();
  }

  /** @param {Turn} turn @returns {Kept|null} */
  record(turn) {
    return this.#log.record(turn);
  }

  /**
   * Shows what was kept; what is asked meanwhile stands below it.
   * @param {Promise<Kept[]>} reading oldest first
   */
  async restore(reading) {
    this.isLoading = true;
    const kept = await reading;
    this.isLoading = false;
    this.#parts.onChange();
    await this.#log.restore(kept, (turn) => this.#adopt(turn), () => !this.#exchange.isClosed);
    if (this.#log.hasContext && !this.#exchange.isClosed) await this.look();
  }

  /** Takes over what another tab has kept. @param {Kept[]} kept */
  sync(kept) {
    if (this.#exchange.isClosed) return;
    const ids = new Set(kept.map(({ id }) => id));
    const isLive = (turn) => this.#exchange.has(turn);
    for (const turn of this.#log.turns) {
      if (!ids.has(this.#log.about(turn).id) && !isLive(turn)) this.#leave(turn);
    }
    for (const one of kept) {
      const turn = this.#log.find(one.id);
      if (turn && (isLive(turn) || !hasEnded(one.answer) || turn.answer.text === one.answer.text)) continue;
      if (!turn && !one.sent && one.answer.phase === 'waiting') continue; // the other tab will send it
      if (turn) this.#leave(turn);
      this.#adopt(this.#log.add(one));
    }
    this.#parts.onChange();
  }

  /** A turn that was kept: what had not ended goes on. @param {Turn} turn */
  #adopt(turn) {
    const { sent, tab } = this.#log.about(turn);
    const { answer } = turn;
    if (hasEnded(answer)) this.#settle(turn);
    else if (tab === this.#parts.tab && !answer.started) this.#exchange.add(turn);
    else if (sent) this.#exchange.resumeAnswer(turn);
    else turn.answer = settled(answer);
    this.#parts.touch(turn);
    this.#parts.onChange();
  }

  // ---------------------------------------------------------------- what the server still knows

  /** Asks the server what it still knows, says so where that is nothing, and takes answers that were lost on the way. */
  async look() {
    this.#looking ??= this.#context.look();
    const known = await this.#looking;
    this.#looking = null;
    if (this.#exchange.isClosed) return;
    if (known === null && this.#log.hasContext) this.#log.end();
    for (const one of known ?? []) {
      const turn = this.#log.turns.find(({ answer }) => answer.messageId === one.message_id);
      if (turn?.answer.phase === 'interrupted') this.#takeOver(turn, one);
    }
    this.#context.onDue(() => this.look());
    this.pump();
  }

  #takeOver(turn, one) {
    const about = { ...this.#log.record(turn), answer: told(turn.answer, one) };
    this.#leave(turn);
    this.#parts.keep(this.#log.add(about), true);
  }

  /** Whether the next question can go out: after a while, the server is asked first whether it still knows the others. */
  #mayAsk() {
    if (!this.#looking && this.#log.hasContext && !this.#context.left) this.look();
    return !this.#looking;
  }

  // ---------------------------------------------------------------- the connection

  pump() {
    this.#exchange.pump();
  }

  stop() {
    this.#exchange.stop();
  }

  connect() {
    this.#exchange.connect();
  }

  reconnect() {
    this.#exchange.reconnect();
  }

  /** Takes on the language of the page. */
  speak() {
    this.#exchange.speak();
  }

  /** Leaves for good; a running answer is cancelled. */
  close() {
    this.#context.close();
    this.#exchange.close();
  }
}
