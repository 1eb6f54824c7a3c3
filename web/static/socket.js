/** The connection to `/chat-ws`: keeps itself open, says how it stands, moves JSON. Knows nothing of answers. */

/** @typedef {'connecting'|'open'|'closed'} ConnectionState */

export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_CAP_MS = 15_000;
/** A connection counts as good after this long; until then the back-off keeps growing. */
export const SETTLED_MS = 5_000;
/** Browsers may wait minutes for a silent host. */
export const HANDSHAKE_MS = 10_000;

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
 * @param {string} base the page's own address; a path prefix in it is kept
 * @param {{session: string, lang: string}} options
 * @returns {string}
 */
export function socketUrl(base, { session, lang }) {
  const url = new URL('chat-ws', base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = new URLSearchParams({ session_id: session, lang, sources: 'early', thinking: 'show' }).toString();
  url.hash = '';
  return url.href;
}

/**
 * A UUID v4. `randomUUID` is missing where the page came over plain http from another machine.
 * @param {{randomUUID?: () => string, getRandomValues: (a: Uint8Array) => Uint8Array}} [source]
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

export class ChatSocket {
  #parts;
  #socket = null;
  #attempt = 0;
  #retry = null;
  #handshake = null;
  #settled = null;

  /** @type {ConnectionState} */
  state = 'closed';
  /** When the next attempt is due, as `now` counts; 0 where none is. */
  retryAt = 0;

  /**
   * @param {object} parts
   * @param {() => string} parts.url asked anew for each attempt, since session and language change
   * @param {(state: ConnectionState) => void} parts.onState
   * @param {(event: object) => void} parts.onEvent each JSON object that arrives
   * @param {typeof WebSocket} [parts.WebSocket]
   * @param {(run: () => void, ms: number) => any} [parts.setTimeout]
   * @param {(timer: any) => void} [parts.clearTimeout]
   * @param {() => number} [parts.random]
   * @param {() => number} [parts.now] milliseconds
   */
  constructor(parts) {
    this.#parts = {
      WebSocket: globalThis.WebSocket,
      setTimeout: (run, ms) => globalThis.setTimeout(run, ms),
      clearTimeout: (timer) => globalThis.clearTimeout(timer),
      random: Math.random,
      now: Date.now,
      ...parts,
    };
  }

  /** Opens the connection unless it is open or being opened; cuts a waiting back-off short. */
  connect() {
    if (this.#socket) return;
    this.#clear();
    const socket = new this.#parts.WebSocket(this.#parts.url());
    this.#socket = socket;
    // Each handler asks whether its socket is still the one in use: a replaced socket may speak on.
    socket.onopen = () => socket === this.#socket && this.#opened();
    socket.onmessage = (event) => socket === this.#socket && this.#received(event.data);
    socket.onclose = () => socket === this.#socket && this.#lost();
    this.#handshake = this.#parts.setTimeout(() => {
      this.#drop();
      this.#lost();
    }, HANDSHAKE_MS);
    this.#enter('connecting');
  }

  /** Leaves the present connection for a new one at once, with the URL of now. */
  reconnect() {
    this.#drop();
    this.#attempt = 0;
    this.connect();
  }

  /** Closes for good. */
  close() {
    this.#drop();
    this.#clear();
    this.#enter('closed');
  }

  /**
   * @param {{messageId: string, content: string, sessionId: string, replaces?: string, options?: object}} message
   * @returns {boolean} false when the connection is not open; then nothing was sent
   */
  ask({ messageId, content, sessionId, replaces, options }) {
    return this.#send({ type: 'message', message_id: messageId, content, session_id: sessionId, replaces, options });
  }

  /**
   * @param {string} messageId
   * @returns {boolean} as for `ask`
   */
  cancel(messageId) {
    return this.#send({ type: 'cancel', message_id: messageId });
  }

  /**
   * Has an answer told from token `next` on, such as after a break.
   * @param {string} messageId
   * @param {number} next
   * @returns {boolean} as for `ask`
   */
  resume(messageId, next) {
    return this.#send({ type: 'resume', message_id: messageId, next_index: next });
  }

  #send(frame) {
    if (this.state !== 'open') return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #opened() {
    this.#clear();
    this.#settled = this.#parts.setTimeout(() => {
      this.#attempt = 0;
    }, SETTLED_MS);
    this.#enter('open');
  }

  #received(data) {
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return;
    }
    if (event && typeof event === 'object' && typeof event.type === 'string') this.#parts.onEvent(event);
  }

  #lost() {
    this.#socket = null;
    this.#clear();
    const wait = backoff(this.#attempt++, this.#parts.random);
    this.#retry = this.#parts.setTimeout(() => this.connect(), wait);
    this.retryAt = this.#parts.now() + wait;
    this.#enter('closed');
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #clear() {
    for (const timer of [this.#retry, this.#handshake, this.#settled]) {
      if (timer !== null) this.#parts.clearTimeout(timer);
    }
    this.#retry = this.#handshake = this.#settled = null;
    this.retryAt = 0;
  }

  #enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.#parts.onState(state);
  }
}
