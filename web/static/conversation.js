/** One conversation: its session, its connection, its turns, and the element that shows them. */

import { Context } from './context.js';
import { Hint } from './hint.js';
import { lang } from './i18n.js';
import { Log } from './log.js';
import { ChatSocket, newId, socketUrl } from './socket.js';
import { hasEnded, newAnswer, reduce, stop } from './stream.js';
import { isKnown, settled, told } from './talks.js';
import { fromTemplate } from './template.js';
import { Turn } from './turn.js';
import { Watchdog } from './watchdog.js';

/** @typedef {import('./socket.js').ConnectionState} ConnectionState */
/** @typedef {import('./talks.js').Kept} Kept */

/**
 * @typedef {object} Parts
 * @property {(turn: Turn) => void} touch paints the turn in the next frame
 * @property {() => boolean} isReady whether the model can be asked
 * @property {() => {answers?: string}} settings how the person wants answers
 * @property {() => void} onChange the connection, what is running or what there is has changed
 * @property {(turn: Turn) => void} onEnd an answer has ended
 * @property {(turn: Turn, now: boolean) => void} keep the turn is to be kept; `now`: others should know at once
 * @property {(turns: Kept[], gone: string[]) => void} swap some turns are kept in place of others
 * @property {string} tab tells this tab's questions from those of others
 * @property {(answer: import('./stream.js').Answer, number: number) => void} onCite a source of an answer is to be shown
 */

/** A connection that has been silent for so long is not trusted when the network or the tab comes back. */
const DOUBTFUL_MS = 5_000;

export class Conversation {
  /** Whether what was kept of it is still to come. */
  isLoading = false;
  #parts;
  #socket;
  #context;
  #log = new Log((answer) => this.#newTurn(answer));
  /** Turns whose answers have not ended, in the order they were asked; one at a time is with the server. @type {Turn[]} */
  #live = [];
  #reconnectWhenIdle = false;
  #looking = null;
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
    this.session = session;
    this.#parts = parts;
    this.#context = new Context(session);
    this.#socket = new ChatSocket({
      url: () => socketUrl(document.baseURI, { session, lang: lang() }),
      onState: (state) => this.#onState(state),
      onEvent: (event) => this.#onEvent(event),
    });
  }

  get element() {
    return this.#log.element;
  }

  /** @returns {ConnectionState} */
  get state() {
    return this.#socket.state;
  }

  /** When the next attempt to connect is due; 0 where none is. */
  get retryAt() {
    return this.#socket.retryAt;
  }

  get isEmpty() {
    return !this.isLoading && !this.#log.turns.length;
  }

  get isRunning() {
    return this.#live.length > 0;
  }

  get isStopping() {
    return Boolean(this.#live[0]?.stopping);
  }

  // ---------------------------------------------------------------- asking

  /** @param {string} question */
  ask(question) {
    const turn = this.#add(question, { at: this.#nextTime(), anew: this.#log.hasEnded });
    this.#parts.keep(turn, true);
    this.#run(turn);
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
      return this.#run(turn);
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
    this.#run(again);
  }

  /** @param {string} question @param {Partial<Kept>} about @returns {Turn} */
  #add(question, about) {
    const answer = newAnswer(newId(), question);
    const rest = { talk: this.session, id: newId(), tab: this.#parts.tab, sent: false, anew: false, replaces: '', instead: [] };
    return this.#log.add({ ...rest, ...about, answer });
  }

  /** @param {Turn} turn */
  #run(turn) {
    this.#live.push(turn);
    this.pump();
  }

  /** Later than all before, even where the clock was set back. */
  #nextTime() {
    const last = this.#log.turns.at(-1);
    return Math.max(Date.now(), last ? this.#log.about(last).at + 1 : 0);
  }

  /** @param {import('./stream.js').Answer} answer */
  #newTurn(answer) {
    return new Turn(answer, {
      onRetry: (turn) => this.askAgain(turn),
      onEdit: (turn, text) => this.askAgain(turn, text),
      onCite: this.#parts.onCite,
    });
  }

  /** Takes a turn off the page; what runs of it is cancelled. @param {Turn} turn */
  #leave(turn) {
    if (turn.sent && this.#live.includes(turn)) this.#socket.cancel(turn.answer.messageId);
    this.#live = this.#live.filter((other) => other !== turn);
    this.#log.remove(turn);
  }

  /** Hands the next question to the server when everything is ready for it, and says what the others wait for. */
  pump() {
    for (const turn of this.#live) {
      if (turn.sent) continue;
      const { messageId, question: content } = turn.answer;
      if (this.#withServer()) turn.waitsFor = 'turn';
      else if (this.state !== 'open') turn.waitsFor = 'connection';
      else if (!this.#parts.isReady()) turn.waitsFor = 'model';
      else if (this.#looking) turn.waitsFor = 'connection';
      else if (this.#log.hasContext && !this.#context.left) {
        turn.waitsFor = 'connection';
        this.look();
      } else {
        const replaces = this.#log.about(turn).replaces || undefined;
        const options = this.#parts.options();
        turn.sent = this.#socket.ask({ messageId, content, sessionId: this.session, replaces, options });
        if (turn.sent) this.#parts.keep(turn, true);
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
    this.#parts.keep(turn, hasEnded(answer));
    if (!hasEnded(answer)) return;
    turn.paint(); // not a frame later: the answer and the buttons should agree
    this.#live = this.#live.filter((other) => other !== turn);
    this.#settle(turn);
    this.#context.used();
    this.#context.onDue(() => this.look());
    this.#parts.onEnd(turn);
    if (answer.phase === 'interrupted') this.look();
    if (this.#reconnectWhenIdle && !this.#withServer()) this.reconnect();
    this.pump();
  }

  #changed(...turns) {
    for (const turn of turns) this.#parts.touch(turn);
    this.#watch();
    this.#parts.onChange();
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
    this.#changed();
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
    this.#changed();
    await this.#log.restore(kept, (turn) => this.#adopt(turn), () => !this.#isClosed);
    if (this.#log.hasContext && !this.#isClosed) await this.look();
  }

  /** Takes over what another tab has kept. @param {Kept[]} kept */
  async sync(kept) {
    const ids = new Set(kept.map(({ id }) => id));
    const isLive = (turn) => this.#live.includes(turn);
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
    this.#changed();
  }

  /** A turn that was kept: what had not ended goes on. @param {Turn} turn */
  #adopt(turn) {
    const { sent, tab } = this.#log.about(turn);
    const { answer } = turn;
    if (hasEnded(answer)) this.#settle(turn);
    else if (tab === this.#parts.tab && !answer.started) this.#live.push(turn);
    else if (sent) this.resumeAnswer(turn);
    else turn.answer = settled(answer);
    this.#changed(turn);
  }

  // ---------------------------------------------------------------- what the server still knows

  /** Asks the server what it still knows, says so where that is nothing, and takes answers that were lost on the way. */
  async look() {
    this.#looking ??= this.#context.look();
    const known = await this.#looking;
    this.#looking = null;
    if (this.#isClosed) return;
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
    this.#context.close();
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
