/** The questions of a conversation that are on their way: each turn with the reply of the client that it waits for. */

import { ChatClient, hasEnded } from './client.js';
import { Hint } from './hint.js';
import { lang } from './i18n.js';

/** @typedef {import('./client.js').Answer} Answer */
/** @typedef {import('./client.js').Callbacks} Callbacks */
/** @typedef {import('./client.js').Reply} Reply */
/** @typedef {import('./turn.js').Turn} Turn */

/**
 * @typedef {object} Parts
 * @property {(turn: Turn) => void} touch paints the turn in the next frame
 * @property {() => boolean} isReady whether the model can be asked
 * @property {() => boolean} mayAsk whether it is known what the server knows; where not, `pump` is called later
 * @property {(turn: Turn) => {replaces?: string, options?: object}} more what goes with a question
 * @property {() => void} onChange the connection or what is running has changed
 * @property {(turn: Turn) => void} onSent the server has the question
 * @property {(turn: Turn) => void} onProgress there is more of an answer, or its end
 * @property {(turn: Turn) => void} onEnd an answer has ended
 */

export class Exchange {
  #parts;
  #client;
  /** Turns whose answers have not ended, in the order they were asked. @type {Map<Turn, Reply>} */
  #live = new Map();
  #hint = new Hint();

  /**
   * @param {string} session
   * @param {Parts} parts
   */
  constructor(session, parts) {
    this.#parts = parts;
    const mayAsk = () => parts.isReady() && parts.mayAsk();
    this.#client = new ChatClient(undefined, { session, lang: lang(), thinking: true, mayAsk });
    this.#client.addEventListener('change', () => this.#changed());
  }

  get state() {
    return this.#client.state;
  }

  /** When the next attempt to connect is due; 0 where none is. */
  get retryAt() {
    return this.#client.retryAt;
  }

  get isRestarting() {
    return this.#client.isRestarting;
  }

  get isRunning() {
    return this.#live.size > 0;
  }

  get isStopping() {
    return Boolean([...this.#live.keys()][0]?.stopping);
  }

  get isClosed() {
    return this.#client.isClosed;
  }

  /** @param {Turn} turn */
  has(turn) {
    return this.#live.has(turn);
  }

  // ---------------------------------------------------------------- asking

  /** Takes a question in, to be sent when it has its turn. @param {Turn} turn */
  add(turn) {
    if (this.isClosed) return;
    const { messageId, question } = turn.answer;
    this.#hold(turn, (on) => this.#client.send(question, { messageId, ...this.#parts.more(turn), ...on }));
  }

  /** Goes on with an answer that another page, such as this one before it was loaded anew, began to receive. @param {Turn} turn */
  resumeAnswer(turn) {
    if (this.isClosed) return;
    turn.sent = true;
    turn.answer = { ...turn.answer, started: true };
    this.#hold(turn, (on) => this.#client.resume(turn.answer, on));
  }

  /** @param {Turn} turn @param {(on: Callbacks) => Reply} begin */
  #hold(turn, begin) {
    this.#live.set(turn, begin({ onChange: (answer) => this.#progress(turn, answer) }));
    this.#changed();
  }

  /** Lets a turn go; its answer is cancelled. @param {Turn} turn */
  drop(turn) {
    const reply = this.#live.get(turn);
    this.#live.delete(turn);
    reply?.cancel();
  }

  /** Asks what waits, if it can go out now. */
  pump() {
    if (!this.isClosed) this.#client.pump();
  }

  /** Stops the oldest answer; the next question, if there is one, then has its turn. */
  stop() {
    for (const reply of this.#live.values()) return reply.cancel();
  }

  /** @param {Turn} turn @param {Answer} answer */
  #progress(turn, answer) {
    if (!this.has(turn)) return;
    turn.answer = answer;
    this.#parts.touch(turn);
    this.#parts.onProgress(turn);
    if (!hasEnded(answer)) return;
    turn.paint(); // not a frame later: the answer and the buttons should agree
    this.#live.delete(turn);
    this.#parts.onEnd(turn);
  }

  /** Says what each turn waits for, and what is the matter while an answer is awaited. */
  #changed() {
    for (const [turn, reply] of this.#live) {
      const isNew = reply.isSent && !turn.sent;
      turn.sent = reply.isSent;
      turn.stopping = reply.isStopping;
      if (!turn.sent) turn.waitsFor = this.#hindrance();
      if (isNew) this.#parts.onSent(turn);
      this.#parts.touch(turn);
    }
    const asked = [...this.#live.keys()].find((turn) => turn.sent);
    const trouble = this.#client.isSilent ? 'hint_silent' : this.state === 'open' ? null : 'hint_lost';
    this.#hint.show(asked?.element, trouble);
    this.#parts.onChange();
  }

  /** @returns {Turn['waitsFor']} */
  #hindrance() {
    if (this.#client.isBusy) return 'turn';
    return this.state === 'open' && !this.#parts.isReady() ? 'model' : 'connection';
  }

  // ---------------------------------------------------------------- the connection

  connect() {
    this.#client.connect();
  }

  reconnect() {
    this.#client.reconnect();
  }

  /** The server learns the language in the handshake. */
  speak() {
    this.#client.lang = lang();
  }

  /** Leaves for good; a running answer is cancelled. */
  close() {
    this.#live.clear();
    this.#client.close();
  }
}
