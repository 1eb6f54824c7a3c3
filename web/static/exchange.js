/** The questions of a conversation that are on their way, and the connection that they go over. */

import { Hint } from './hint.js';
import { lang } from './i18n.js';
import { ChatSocket, socketUrl } from './socket.js';
import { hasEnded, reduce, stop } from './stream.js';
import { Watchdog } from './watchdog.js';

/** @typedef {import('./socket.js').ConnectionState} ConnectionState */
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

/** A connection that has been silent for so long is not trusted when the network or the tab comes back. */
const DOUBTFUL_MS = 5_000;

export class Exchange {
  #session;
  #parts;
  #socket;
  /** Turns whose answers have not ended, in the order they were asked; one at a time is with the server. @type {Turn[]} */
  #live = [];
  #reconnectWhenIdle = false;
  #isClosed = false;
  /** Answers that were stopped while the server could not be told. @type {string[]} */
  #unwanted = [];
  #hint = new Hint();
  #watchdog = new Watchdog({ onSilence: () => this.#onSilence() });

  /**
   * @param {string} session
   * @param {Parts} parts
   */
  constructor(session, parts) {
    this.#session = session;
    this.#parts = parts;
    this.#socket = new ChatSocket({
      url: () => socketUrl(document.baseURI, { session, lang: lang() }),
      onState: (state) => this.#onState(state),
      onEvent: (event) => this.#onEvent(event),
    });
  }

  /** @returns {ConnectionState} */
  get state() {
    return this.#socket.state;
  }

  /** When the next attempt to connect is due; 0 where none is. */
  get retryAt() {
    return this.#socket.retryAt;
  }

  get isRunning() {
    return this.#live.length > 0;
  }

  get isStopping() {
    return Boolean(this.#live[0]?.stopping);
  }

  get isClosed() {
    return this.#isClosed;
  }

  /** @param {Turn} turn */
  has(turn) {
    return this.#live.includes(turn);
  }

  // ---------------------------------------------------------------- asking

  /** Takes a question in, to be sent when it has its turn. @param {Turn} turn */
  add(turn) {
    this.#live.push(turn);
    this.pump();
  }

  /** Lets a turn go; its answer is cancelled. @param {Turn} turn */
  drop(turn) {
    if (turn.sent && this.has(turn)) this.#socket.cancel(turn.answer.messageId);
    this.#live = this.#live.filter((other) => other !== turn);
  }

  /** Hands the next question to the server when everything is ready for it, and says what the others wait for. */
  pump() {
    for (const turn of this.#live) {
      if (turn.sent) continue;
      const { messageId, question: content } = turn.answer;
      if (this.#withServer()) turn.waitsFor = 'turn';
      else if (this.state !== 'open') turn.waitsFor = 'connection';
      else if (!this.#parts.isReady()) turn.waitsFor = 'model';
      else if (!this.#parts.mayAsk()) turn.waitsFor = 'connection';
      else {
        turn.sent = this.#socket.ask({ messageId, content, sessionId: this.#session, ...this.#parts.more(turn) });
        if (turn.sent) this.#parts.onSent(turn);
      }
    }
    this.#changed(...this.#live);
  }

  /** Stops the oldest answer; the next question, if there is one, then has its turn. */
  stop() {
    const turn = this.#live[0];
    if (!turn || turn.stopping) return;
    if (!turn.sent || this.state !== 'open') {
      if (turn.sent) this.#unwanted.push(turn.answer.messageId);
      return this.#progress(turn, stop(turn.answer));
    }
    turn.stopping = this.#socket.cancel(turn.answer.messageId);
    this.#changed(turn);
  }

  #withServer() {
    return this.#live.find((turn) => turn.sent);
  }

  /** Takes over a turn's new state. @param {Turn} turn @param {import('./stream.js').Answer} answer */
  #progress(turn, answer) {
    turn.answer = answer;
    this.#changed(turn);
    this.#parts.onProgress(turn);
    if (!hasEnded(answer)) return;
    turn.paint(); // not a frame later: the answer and the buttons should agree
    this.#live = this.#live.filter((other) => other !== turn);
    this.#parts.onEnd(turn);
    if (this.#reconnectWhenIdle && !this.#withServer()) this.reconnect();
    this.pump();
  }

  #changed(...turns) {
    for (const turn of turns) this.#parts.touch(turn);
    this.#watch();
    this.#parts.onChange();
  }

  // ---------------------------------------------------------------- the connection

  connect() {
    if (!this.#isClosed) this.#socket.connect();
  }

  reconnect() {
    this.#reconnectWhenIdle = false;
    this.#socket.reconnect();
  }

  /** The server learns the language in the handshake; a running answer may finish first. */
  reconnectSoon() {
    if (this.#withServer()) this.#reconnectWhenIdle = true;
    else this.reconnect();
  }

  /** Leaves for good; a running answer is cancelled. */
  close() {
    this.#isClosed = true;
    const turn = this.#withServer();
    if (turn) this.#socket.cancel(turn.answer.messageId);
    this.#live = [];
    this.#watch();
    this.#socket.close();
  }

  /** The network or the tab is back: connects at once, anew where the connection says nothing. */
  wake() {
    if (this.#watchdog.silence > DOUBTFUL_MS) this.reconnect();
    else this.connect();
  }

  /** Goes on with an answer that another page, such as this one before it was loaded anew, began to receive. @param {Turn} turn */
  resumeAnswer(turn) {
    turn.answer = { ...turn.answer, started: true };
    turn.sent = true;
    this.#live.push(turn);
    if (this.state === 'open') this.#goOn(turn);
    this.#changed(turn);
  }

  #onState(state) {
    if (state === 'open') {
      for (const messageId of this.#unwanted.splice(0)) this.#socket.cancel(messageId);
      for (const turn of this.#live) if (turn.sent) this.#goOn(turn);
    }
    this.pump();
  }

  /** After a break. A question may not have arrived; the server answers one that it knows only once. @param {Turn} turn */
  #goOn(turn) {
    const { messageId, started, next } = turn.answer;
    if (started) this.#socket.resume(messageId, next);
    else turn.sent = false;
    if (started && turn.stopping) this.#socket.cancel(messageId);
  }

  /** Says what is the matter while an answer is awaited. */
  #watch() {
    const turn = this.#withServer();
    this.#watchdog.watch(Boolean(turn));
    const trouble = this.#watchdog.isSilent ? 'hint_silent' : this.state === 'open' ? null : 'hint_lost';
    this.#hint.show(turn?.element, trouble);
  }

  /** The server may be slow, or the connection be dead without either end knowing: a new one does no harm and tells. */
  #onSilence() {
    this.#watch();
    if (this.state === 'open') this.reconnect();
  }

  #onEvent(event) {
    this.#watchdog.sign();
    this.#watch();
    const turn =
      event.message_id === 'unknown' ? this.#withServer() : this.#live.find(({ answer }) => answer.messageId === event.message_id);
    if (turn?.sent) this.#progress(turn, reduce(turn.answer, event));
  }
}
