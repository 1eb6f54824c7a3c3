/**
 * A client of RAG Standard's `/chat-ws` in this one file, which may be copied: for browsers, Node 22 and later, and Deno.
 * It keeps its connection open, resumes answers after a break with no word lost or doubled, and asks one question at a
 * time, in order.
 *
 *     const chat = new ChatClient('http://localhost:8000', { lang: 'en' });
 *     const reply = chat.send('How long is the warranty?');
 *     for await (const text of reply) console.log(text);
 *     console.log(reply.answer.sources);
 *     chat.close();
 */

/** @typedef {'connecting'|'open'|'closed'} ConnectionState */
/** @typedef {'waiting'|'streaming'|'done'|'stopped'|'failed'|'interrupted'} Phase `interrupted`: the server keeps it no more */

/**
 * @typedef {object} Source
 * @property {string} title
 * @property {string} content
 * @property {number} score
 * @property {{source: string, chunk_id: string, page?: number, document_id?: string, start?: number, end?: number,
 *   cited?: boolean}} metadata
 */

/**
 * How many of the sentences that claim something stand in the sources, and where the others lie: code points of the text.
 * @typedef {{supported: number, total: number, unsupported: [number, number][]}} Grounded
 */

/** @typedef {{tokens: number, ms: number, first: number|null, reason: string, grounded: Grounded|null}} End */

/**
 * The state of one answer. Each event makes a new one; it can be kept as JSON.
 * @typedef {object} Answer
 * @property {string} messageId
 * @property {string} question
 * @property {Phase} phase
 * @property {boolean} started
 * @property {string} thinking what the model thought so far; no part of the answer
 * @property {string} text all tokens so far, joined in order
 * @property {number} next index of the token that comes next
 * @property {Record<number, string>} held tokens that came before their turn
 * @property {Source[]|null} sources null until they arrive
 * @property {{code: string, message: string, solutions: string[]}|null} error
 * @property {End|null} end
 */

/**
 * How one question wants to be answered; what is left out is the server's choice.
 * @typedef {{temperature?: number, sources?: number, answers?: 'auto'|'quote'|'free', documents?: string[],
 *   max_tokens?: number}} Options
 */

/**
 * Called as an answer comes. `onEnd` or `onError` comes last, once.
 * @typedef {object} Callbacks
 * @property {() => void} [onStart]
 * @property {(thinking: string) => void} [onThinking] all of it so far: after a break it is told anew
 * @property {(text: string) => void} [onToken] what is new of the text
 * @property {(sources: Source[]) => void} [onSources]
 * @property {(answer: Answer) => void} [onEnd] also of an answer that was cancelled: its phase is `stopped`
 * @property {(error: ChatError) => void} [onError]
 * @property {(answer: Answer) => void} [onChange] after each event, before the others
 */

export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_CAP_MS = 15_000;
/** A connection counts as good after this long; until then the back-off keeps growing. */
export const SETTLED_MS = 5_000;
/** Browsers may wait minutes for a silent host. */
export const HANDSHAKE_MS = 10_000;
export const SILENCE_MS = 30_000;
/** A connection that has been silent for so long is not trusted when the network or the page comes back. */
const DOUBTFUL_MS = 5_000;
/** The close code of a server that is being stopped. */
const GOING_AWAY = 1001;
/** The server has nothing to resume. */
const NOT_KEPT = 'SESSION-003';

/** An error that the server told, in its words. */
export class ChatError extends Error {
  /** @param {{code: string, message: string, solutions: string[]}} body */
  constructor({ code, message, solutions }) {
    super(message);
    this.name = 'ChatError';
    this.code = code;
    this.solutions = solutions;
  }
}

/**
 * How long to wait before attempt number `attempt` (from 0): doubled each time up to a cap, and of that
 * a random part, so that the pages of a whole office do not come back in the same instant.
 * @param {number} attempt
 * @param {() => number} [random]
 * @returns {number} milliseconds
 */
export function backoff(attempt, random = Math.random) {
  const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_FIRST_MS * 2 ** attempt);
  return ceiling / 2 + (random() * ceiling) / 2;
}

/**
 * @param {string|URL} base the server's address; a path prefix in it is kept
 * @param {Record<string, string|undefined>} query
 * @returns {string}
 */
export function socketUrl(base, query) {
  const url = new URL(base);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  url.pathname += 'chat-ws';
  url.protocol = url.protocol === 'https:' || url.protocol === 'wss:' ? 'wss:' : 'ws:';
  url.search = new URLSearchParams(Object.entries(query).flatMap(([key, value]) => (value ? [[key, value]] : []))).toString();
  url.hash = '';
  return url.href;
}

/**
 * A UUID v4. `randomUUID` is missing where the page came over plain http from another machine.
 * @param {{randomUUID?: () => string, getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array}} [source]
 * @returns {string}
 */
export function newId(source = globalThis.crypto) {
  if (source.randomUUID) return source.randomUUID();
  const bytes = source.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

// ---------------------------------------------------------------- the state of an answer, pure

/**
 * @param {string} messageId
 * @param {string} question
 * @returns {Answer}
 */
export function newAnswer(messageId, question) {
  return {
    messageId,
    question,
    phase: 'waiting',
    started: false,
    thinking: '',
    text: '',
    next: 0,
    held: {},
    sources: null,
    error: null,
    end: null,
  };
}

/** @param {Answer} answer */
export const hasEnded = (answer) => answer.phase !== 'waiting' && answer.phase !== 'streaming';

/**
 * The answer after one more event. Events of unknown types and events after the last change nothing.
 * @param {Answer} answer
 * @param {any} event
 * @returns {Answer}
 */
export function reduce(answer, event) {
  if (hasEnded(answer)) return answer;
  switch (event.type) {
    case 'stream_start':
      // It comes again with each resume, and the thinking after it from the beginning.
      return { ...answer, started: true, thinking: '' };
    case 'stream_token':
      return withToken(answer, event);
    case 'stream_thinking':
      return typeof event.text === 'string' ? { ...answer, thinking: answer.thinking + event.text } : answer;
    case 'stream_sources':
      return { ...answer, sources: Array.isArray(event.sources) ? event.sources : [] };
    case 'stream_end':
      return {
        ...withHeld(answer),
        phase: event.finish_reason === 'cancelled' ? 'stopped' : 'done',
        // One event may carry several of the model's tokens; `usage` counts those.
        end: {
          tokens: event.usage?.completion_tokens ?? event.total_tokens,
          ms: event.processing_time_ms,
          first: event.time_to_first_token_ms ?? null,
          reason: event.finish_reason ?? 'stop',
          grounded: groundedOf(event.grounded),
        },
      };
    case 'stream_error':
      if (event.error_code === NOT_KEPT) return interrupt(answer);
      return { ...withHeld(answer), phase: 'failed', error: errorOf(event) };
    default:
      return answer;
  }
}

/**
 * The connection was lost for so long that the server keeps the answer no more.
 * @param {Answer} answer
 * @returns {Answer}
 */
export function interrupt(answer) {
  return hasEnded(answer) ? answer : { ...withHeld(answer), phase: 'interrupted' };
}

/** @param {Answer} answer @returns {Answer} */
const stopped = (answer) => (hasEnded(answer) ? answer : { ...answer, phase: 'stopped' });

/** @param {any} event */
const errorOf = (event) => ({
  code: String(event.error_code ?? ''),
  message: String(event.message ?? ''),
  solutions: Array.isArray(event.solutions) ? event.solutions.map(String) : [],
});

/** @param {Answer} answer @param {any} event @returns {Answer} */
function withToken(answer, { index, token }) {
  if (!Number.isInteger(index) || typeof token !== 'string' || index < answer.next || index in answer.held) {
    return answer;
  }
  const held = { ...answer.held, [index]: token };
  let { text, next } = answer;
  for (; next in held; next++) {
    text += held[next];
    delete held[next];
  }
  return { ...answer, phase: 'streaming', text, next, held };
}

/** At the end a gap will not be filled any more: show what came after it rather than nothing. @param {Answer} answer */
function withHeld(answer) {
  const rest = Object.keys(answer.held)
    .map(Number)
    .sort((a, b) => a - b);
  return { ...answer, text: answer.text + rest.map((index) => answer.held[index]).join(''), held: {} };
}

/** @param {any} found @returns {Grounded|null} null where the server did not check, or in another form */
function groundedOf(found) {
  if (!Number.isInteger(found?.supported) || !(found.total > 0) || !Array.isArray(found.unsupported)) return null;
  const spans = found.unsupported.filter((/** @type {any} */ span) => Array.isArray(span) && span.every(Number.isInteger));
  return { supported: found.supported, total: found.total, unsupported: spans };
}

// ---------------------------------------------------------------- one answer on its way

/** One question and what comes of it. `for await` gives its text in pieces; leaving the loop early cancels it. */
export class Reply {
  /** @type {Answer} */
  answer;
  /** Whether the server was given the question. */
  isSent = false;
  /** Whether it was cancelled and the end is still to come. */
  isStopping = false;
  /** @type {ChatError|null} */
  error = null;
  /** The answer at its end. Rejects with a `ChatError` if it fails. @type {Promise<Answer>} */
  done;
  #on;
  #cancel;
  /** @type {(answer: Answer) => void} */
  #resolve = () => {};
  /** @type {(error: ChatError) => void} */
  #reject = () => {};
  /** Called at the next change. @type {(() => void)[]} */
  #waiting = [];

  /**
   * @param {Answer} answer
   * @param {Callbacks} on
   * @param {(reply: Reply) => void} cancel
   */
  constructor(answer, on, cancel) {
    this.answer = answer;
    this.#on = on;
    this.#cancel = cancel;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => {}); // who reads the text only need not look at it
  }

  /** Stops it: the text so far stays, and the end comes with `stopped`. */
  cancel() {
    this.#cancel(this);
  }

  /** @returns {AsyncGenerator<string, void, void>} what has come since the last step; throws a `ChatError` if the answer fails */
  async *[Symbol.asyncIterator]() {
    let read = 0;
    try {
      for (;;) {
        const { text } = this.answer;
        if (text.length > read) {
          const piece = text.slice(read);
          read = text.length;
          yield piece;
        } else if (!hasEnded(this.answer)) {
          await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
        } else if (this.error) throw this.error;
        else return;
      }
    } finally {
      this.cancel();
    }
  }

  /** For the client alone. @param {Answer} answer @param {ChatError|null} [error] */
  take(answer, error = null) {
    const before = this.answer;
    this.answer = answer;
    this.error = error;
    for (const wake of this.#waiting.splice(0)) wake();
    const isLast = hasEnded(answer) && !hasEnded(before);
    if (isLast && error) this.#reject(error);
    else if (isLast) this.#resolve(answer);
    const on = this.#on;
    on.onChange?.(answer);
    if (answer.started && !before.started) on.onStart?.();
    if (answer.thinking.length > before.thinking.length) on.onThinking?.(answer.thinking);
    if (answer.text.length > before.text.length) on.onToken?.(answer.text.slice(before.text.length));
    if (answer.sources && !before.sources) on.onSources?.(answer.sources);
    if (isLast && error) on.onError?.(error);
    else if (isLast) on.onEnd?.(answer);
  }
}

// ---------------------------------------------------------------- the connection

/**
 * Calls when the network or the page comes back, where there are such things.
 * @param {() => void} run
 * @returns {() => void} ends it
 */
function onBack(run) {
  const page = globalThis.document;
  const end = new AbortController();
  if (!page) return () => {};
  const { signal } = end;
  addEventListener('online', run, { signal });
  addEventListener('pageshow', (event) => event.persisted && run(), { signal });
  page.addEventListener('visibilitychange', () => page.visibilityState === 'visible' && run(), { signal });
  return () => end.abort();
}

/**
 * @typedef {object} Settings
 * @property {string} [session] the conversation: questions in it follow one another. A new one by default
 * @property {string} [lang] `ko` or `en`, for errors
 * @property {'early'|'late'} [sources] when they come; before the text by default
 * @property {'quote'|'free'} [answers]
 * @property {boolean} [thinking] whether the model's thinking is told
 * @property {number} [silence] milliseconds without a sign of the server, while an answer is awaited, that are told
 * @property {Record<string, string>} [headers] of the handshake, where the WebSocket takes them: Node's does, browsers' do not
 * @property {(reply: Reply) => boolean} [mayAsk] asked before each question goes out; where not, call `pump` later
 * @property {(run: () => void) => () => void} [onBack] calls when the network is back; returns what ends that
 * @property {any} [WebSocket] another one than the global
 * @property {(run: () => void, ms: number) => any} [setTimeout]
 * @property {(timer: any) => void} [clearTimeout]
 * @property {() => number} [random]
 * @property {() => number} [now] milliseconds
 */

/**
 * A conversation with one server. Its events are `state` (`detail` is the state), `silence` (`detail` is how many
 * milliseconds, and it comes again after as long), `message` (`detail` is any event of the server) and `change` (the state,
 * or what is on its way).
 */
export class ChatClient extends EventTarget {
  /** @type {ConnectionState} */
  state = 'closed';
  /** When the next attempt is due, as `now` counts; 0 where none is. */
  retryAt = 0;
  /** Whether the server said that it goes, and is not back yet. */
  isRestarting = false;
  /** Whether an answer is awaited, and nothing has come for a while. */
  isSilent = false;
  isClosed = false;
  #base;
  #settings;
  #lang;
  /** @type {any} */
  #socket = null;
  #attempt = 0;
  /** @type {any} */
  #retry = null;
  /** @type {any} */
  #handshake = null;
  /** @type {any} */
  #settled = null;
  /** @type {any} */
  #silence = null;
  #lastSign = 0;
  #reconnectWhenIdle = false;
  /** @type {null|(() => void)} */
  #endOnBack = null;
  /** What has not ended, in the order it was asked. @type {Reply[]} */
  #live = [];
  /** What goes out with a question. @type {WeakMap<Reply, object>} */
  #more = new WeakMap();
  /** Ids of answers that were cancelled while the server could not be told. @type {string[]} */
  #unwanted = [];

  /**
   * @param {string|URL} [base] the server's address, such as `http://localhost:8000`; otherwise where the page is
   * @param {Settings} [settings]
   */
  constructor(base, settings = {}) {
    super();
    this.#base = base ?? new URL('.', globalThis.document?.baseURI ?? 'http://localhost:8000');
    this.#settings = {
      sources: 'early',
      silence: SILENCE_MS,
      mayAsk: () => true,
      onBack,
      WebSocket: globalThis.WebSocket,
      setTimeout: (/** @type {() => void} */ run, /** @type {number} */ ms) => globalThis.setTimeout(run, ms),
      clearTimeout: (/** @type {any} */ timer) => globalThis.clearTimeout(timer),
      random: Math.random,
      now: Date.now,
      ...settings,
    };
    this.#lang = settings.lang;
    this.session = settings.session ?? newId();
  }

  // ---------------------------------------------------------------- asking

  /**
   * Asks a question, as soon as there is a connection and the questions before it are answered.
   * @param {string} content
   * @param {Callbacks & {options?: Options, replaces?: string, messageId?: string, signal?: AbortSignal}} [how]
   *   `replaces`: id of the question in whose place it is asked; `signal` cancels it, such as `AbortSignal.timeout(60_000)`
   * @returns {Reply}
   */
  send(content, { options, replaces, messageId = newId(), signal, ...on } = {}) {
    const reply = this.#newReply(newAnswer(messageId, content), on);
    this.#more.set(reply, { options, replaces });
    signal?.addEventListener('abort', () => reply.cancel());
    this.pump();
    if (signal?.aborted) reply.cancel();
    return reply;
  }

  /**
   * Goes on with an answer that another client, such as this page before it was loaded anew, began to receive.
   * @param {Partial<Answer> & {messageId: string}} answer what there is of it, such as a kept `reply.answer`
   * @param {Callbacks} [on]
   * @returns {Reply}
   */
  resume(answer, on = {}) {
    const reply = this.#newReply({ ...newAnswer(answer.messageId, ''), ...answer, started: true }, on);
    reply.isSent = true;
    if (this.state === 'open') this.#goOn(reply);
    this.#changed();
    return reply;
  }

  /** @param {Answer} answer @param {Callbacks} on */
  #newReply(answer, on) {
    if (this.isClosed) throw new Error('The client is closed.');
    const reply = new Reply(answer, on, (one) => this.#cancel(one));
    this.#live.push(reply);
    this.connect();
    return reply;
  }

  /** Whether the server has a question whose answer has not ended. */
  get isBusy() {
    return this.#live.some(({ isSent }) => isSent);
  }

  /** Hands the next question to the server when everything is ready for it. */
  pump() {
    const next = this.#live.find(({ isSent }) => !isSent);
    if (next && this.state === 'open' && !this.isBusy && this.#settings.mayAsk(next)) {
      const { messageId, question } = next.answer;
      this.#tell({ type: 'message', message_id: messageId, content: question, session_id: this.session, ...this.#more.get(next) });
      next.isSent = true;
    }
    this.#changed();
  }

  /** Cancels an answer that has not ended. @param {string} messageId */
  cancel(messageId) {
    this.#live.find(({ answer }) => answer.messageId === messageId)?.cancel();
  }

  /** @param {Reply} reply */
  #cancel(reply) {
    const { messageId } = reply.answer;
    if (!this.#live.includes(reply) || reply.isStopping) return;
    if (reply.isSent && this.state === 'open') {
      reply.isStopping = true;
      this.#tell({ type: 'cancel', message_id: messageId });
      this.#changed();
    } else {
      if (reply.isSent) this.#unwanted.push(messageId);
      this.#progress(reply, stopped(reply.answer));
    }
  }

  /** @param {Reply} reply @param {Answer} answer @param {ChatError|null} [error] */
  #progress(reply, answer, error = null) {
    const isLast = hasEnded(answer);
    if (isLast) this.#live = this.#live.filter((other) => other !== reply);
    try {
      reply.take(answer, error);
    } finally {
      if (isLast && this.#reconnectWhenIdle && !this.isBusy) this.reconnect();
      if (isLast) this.pump();
    }
  }

  // ---------------------------------------------------------------- the connection

  /** Opens the connection unless it is open or being opened; cuts a waiting back-off short. Asking does it, too. */
  connect() {
    if (this.#socket || this.isClosed) return;
    this.#clear();
    this.#endOnBack ??= this.#settings.onBack(() => this.#wake());
    const { sources, answers, thinking, headers, WebSocket } = this.#settings;
    const query = { session_id: this.session, lang: this.#lang, sources, answers, thinking: thinking ? 'show' : '' };
    const url = socketUrl(this.#base, query);
    const socket = headers ? new WebSocket(url, { headers }) : new WebSocket(url);
    this.#socket = socket;
    // Each handler asks whether its socket is still the one in use: a replaced socket may speak on.
    socket.onopen = () => socket === this.#socket && this.#opened();
    socket.onmessage = (/** @type {{data: any}} */ event) => socket === this.#socket && this.#received(event.data);
    socket.onclose = (/** @type {{code?: number}|undefined} */ event) => socket === this.#socket && this.#lost(event?.code);
    socket.onerror = () => {}; // a close follows
    this.#handshake = this.#settings.setTimeout(() => {
      this.#drop();
      this.#lost();
    }, HANDSHAKE_MS);
    this.#enter('connecting');
  }

  /** Leaves the present connection for a new one at once. */
  reconnect() {
    this.#reconnectWhenIdle = false;
    this.#drop();
    this.#attempt = 0;
    this.connect();
  }

  /** Closes for good; what runs is cancelled. */
  close() {
    if (this.isClosed) return;
    for (const { isSent, answer } of this.#live) if (isSent) this.#tell({ type: 'cancel', message_id: answer.messageId });
    this.isClosed = true;
    this.#endOnBack?.();
    this.#drop();
    this.#clear();
    this.#enter('closed');
    for (const reply of [...this.#live]) this.#progress(reply, stopped(reply.answer));
  }

  get lang() {
    return this.#lang;
  }

  /** The server learns the language in the handshake; a running answer may finish first. */
  set lang(lang) {
    if (lang === this.#lang) return;
    this.#lang = lang;
    if (this.isBusy) this.#reconnectWhenIdle = true;
    else if (this.#socket) this.reconnect();
  }

  /** The network or the page is back: connects at once, anew where the connection says nothing. */
  #wake() {
    if (this.#silence !== null && this.#settings.now() - this.#lastSign > DOUBTFUL_MS) this.reconnect();
    else this.connect();
  }

  /** @param {object} frame */
  #tell(frame) {
    if (this.state === 'open') this.#socket.send(JSON.stringify(frame));
  }

  #opened() {
    this.#clear();
    this.#settled = this.#settings.setTimeout(() => {
      this.#attempt = 0;
    }, SETTLED_MS);
    this.isRestarting = false;
    this.#enter('open');
    for (const messageId of this.#unwanted.splice(0)) this.#tell({ type: 'cancel', message_id: messageId });
    for (const reply of this.#live.filter(({ isSent }) => isSent)) this.#goOn(reply);
    this.pump();
  }

  /** After a break. A question may not have arrived; the server answers one that it knows only once. @param {Reply} reply */
  #goOn(reply) {
    const { messageId, started, next } = reply.answer;
    if (started) this.#tell({ type: 'resume', message_id: messageId, next_index: next });
    if (reply.isStopping) this.#tell({ type: 'cancel', message_id: messageId });
    if (started) return;
    if (reply.isStopping) this.#progress(reply, stopped(reply.answer));
    else reply.isSent = false;
  }

  /** @param {any} data */
  #received(data) {
    /** @type {any} */
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return;
    }
    if (typeof event?.type !== 'string') return;
    this.#sign();
    this.#emit('message', event);
    const { type, message_id: id } = event;
    const reply = this.#live.find(({ isSent, answer }) => isSent && (id === 'unknown' || id === answer.messageId));
    if (reply) this.#progress(reply, reduce(reply.answer, event), type === 'stream_error' ? new ChatError(errorOf(event)) : null);
  }

  /** @param {number} [code] */
  #lost(code) {
    this.#socket = null;
    if (code === GOING_AWAY) this.isRestarting = true;
    this.#clear();
    const wait = backoff(this.#attempt++, this.#settings.random);
    this.#retry = this.#settings.setTimeout(() => this.connect(), wait);
    this.retryAt = this.#settings.now() + wait;
    this.#enter('closed');
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #clear() {
    for (const timer of [this.#retry, this.#handshake, this.#settled]) {
      if (timer !== null) this.#settings.clearTimeout(timer);
    }
    this.#retry = this.#handshake = this.#settled = null;
    this.retryAt = 0;
  }

  /** @param {ConnectionState} state */
  #enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.#emit('state', state);
    this.#changed();
  }

  // ---------------------------------------------------------------- signs of the server

  #changed() {
    const isAwaited = !this.isClosed && this.isBusy;
    if (isAwaited && this.#silence === null) this.#listen();
    if (!isAwaited) this.#endSilence();
    this.#emit('change', undefined);
  }

  /** Something came. */
  #sign() {
    if (this.#silence === null) return;
    const wasSilent = this.isSilent;
    this.#endSilence();
    this.#listen();
    if (wasSilent) this.#changed();
  }

  #listen() {
    this.#lastSign = this.#settings.now();
    this.#awaitSilence();
  }

  #awaitSilence() {
    this.#silence = this.#settings.setTimeout(() => {
      this.isSilent = true;
      this.#awaitSilence();
      this.#emit('silence', this.#settings.now() - this.#lastSign);
      this.#changed();
      // The server may be slow, or the connection be dead without either end knowing: a new one does no harm and tells.
      if (this.state === 'open') this.reconnect();
    }, this.#settings.silence);
  }

  #endSilence() {
    if (this.#silence !== null) this.#settings.clearTimeout(this.#silence);
    this.#silence = null;
    this.isSilent = false;
  }

  /** @param {string} type @param {any} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Paints what was touched once per animation frame, however many tokens came in between. */
export class FramePainter {
  /** @type {Set<any>} */
  #touched = new Set();
  #paint;
  #requestFrame;

  /**
   * @param {(items: any[]) => void} paint
   * @param {(run: () => void) => void} [requestFrame]
   */
  constructor(paint, requestFrame = (run) => void requestAnimationFrame(run)) {
    this.#paint = paint;
    this.#requestFrame = requestFrame;
  }

  /** @param {any} item */
  touch(item) {
    this.#touched.add(item);
    if (this.#touched.size > 1) return;
    this.#requestFrame(() => {
      const items = [...this.#touched];
      this.#touched.clear();
      this.#paint(items);
    });
  }
}
