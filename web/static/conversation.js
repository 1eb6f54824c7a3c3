/** One conversation: its session, its connection, its turns, and the element that shows them. */

import { lang } from './i18n.js';
import { ChatSocket, newId, socketUrl } from './socket.js';
import { hasEnded, interrupt, newAnswer, reduce, stop } from './stream.js';
import { fromTemplate } from './template.js';
import { Turn } from './turn.js';

/** @typedef {import('./socket.js').ConnectionState} ConnectionState */

/**
 * @typedef {object} Parts
 * @property {(turn: Turn) => void} touch paints the turn in the next frame
 * @property {() => boolean} isReady whether the model can be asked
 * @property {() => object|undefined} options how the person wants answers, for the next question
 * @property {() => void} onChange the connection or what is running has changed
 * @property {(turn: Turn) => void} onEnd an answer has ended
 * @property {(answer: import('./stream.js').Answer, number: number) => void} onCite a source of an answer is to be shown
 */

export class Conversation {
  element = fromTemplate('log-template');
  #parts;
  #socket;
  /** Turns whose answers have not ended, in the order they were asked; one at a time is with the server. @type {Turn[]} */
  #live = [];
  #reconnectWhenIdle = false;

  /**
   * @param {string} session
   * @param {Parts} parts
   */
  constructor(session, parts) {
    this.session = session;
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

  get isEmpty() {
    return !this.element.firstElementChild;
  }

  get isRunning() {
    return this.#live.length > 0;
  }

  get isStopping() {
    return Boolean(this.#live[0]?.stopping);
  }

  // ---------------------------------------------------------------- asking

  /**
   * @param {string} question
   * @param {Turn} [again] the turn to answer anew
   */
  ask(question, again) {
    const answer = newAnswer(newId(), question);
    const turn =
      again ??
      new Turn(answer, {
        onRetry: (other) => this.ask(other.answer.question, other),
        onEdit: (other, text) => this.ask(text, other),
        onCite: this.#parts.onCite,
      });
    if (again) again.begin(answer);
    else this.element.append(turn.element);
    this.#live.push(turn);
    this.pump();
  }

  /** Hands the next question to the server when everything is ready for it, and says what the others wait for. */
  pump() {
    for (const turn of this.#live) {
      if (turn.sent) continue;
      const { messageId, question: content } = turn.answer;
      if (this.#withServer()) turn.waitsFor = 'turn';
      else if (this.state !== 'open') turn.waitsFor = 'connection';
      else if (!this.#parts.isReady()) turn.waitsFor = 'model';
      else turn.sent = this.#socket.ask({ messageId, content, sessionId: this.session, options: this.#parts.options() });
    }
    this.#changed(...this.#live);
  }

  /** Stops the oldest answer; the next question, if there is one, then has its turn. */
  stop() {
    const turn = this.#live[0];
    if (!turn || turn.stopping) return;
    if (!turn.sent) return this.#progress(turn, stop(turn.answer));
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
    if (!hasEnded(answer)) return;
    turn.paint(); // not a frame later: the answer and the buttons should agree
    this.#live = this.#live.filter((other) => other !== turn);
    this.#parts.onEnd(turn);
    if (this.#reconnectWhenIdle && !this.#withServer()) this.reconnect();
    this.pump();
  }

  #changed(...turns) {
    for (const turn of turns) this.#parts.touch(turn);
    this.#parts.onChange();
  }

  // ---------------------------------------------------------------- the connection

  connect() {
    this.#socket.connect();
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
    const turn = this.#withServer();
    if (turn) this.#socket.cancel(turn.answer.messageId);
    this.#live = [];
    this.#socket.close();
  }

  #onState(state) {
    const turn = state === 'open' ? undefined : this.#withServer();
    if (turn) this.#progress(turn, interrupt(turn.answer));
    this.pump();
  }

  #onEvent(event) {
    const turn =
      event.message_id === 'unknown' ? this.#withServer() : this.#live.find(({ answer }) => answer.messageId === event.message_id);
    if (turn?.sent) this.#progress(turn, reduce(turn.answer, event));
  }
}
