import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import {
  BACKOFF_CAP_MS,
  BACKOFF_FIRST_MS,
  ChatSocket,
  HANDSHAKE_MS,
  SETTLED_MS,
  backoff,
  newId,
  socketUrl,
} from '../../web/static/socket.js';
import { Clock } from './clock.mjs';

let sockets, clock, states, events, language, chat;

class FakeWebSocket {
  sent = [];
  closed = false;

  constructor(url) {
    this.url = url;
    sockets.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }
}

const last = () => sockets.at(-1);

beforeEach(() => {
  sockets = [];
  clock = new Clock();
  states = [];
  events = [];
  language = 'ko';
  chat = new ChatSocket({
    url: () => `ws://host/chat-ws?lang=${language}`,
    onState: (state) => states.push(state),
    onEvent: (event) => events.push(event),
    WebSocket: FakeWebSocket,
    setTimeout: clock.setTimeout,
    clearTimeout: clock.clearTimeout,
    random: () => 1,
    now: () => clock.now,
  });
});

test('the back-off doubles up to its cap', () => {
  const waits = Array.from({ length: 12 }, (_, attempt) => backoff(attempt, () => 1));
  assert.deepEqual(waits.slice(0, 4), [1, 2, 4, 8].map((n) => n * BACKOFF_FIRST_MS));
  assert.equal(waits.at(-1), BACKOFF_CAP_MS);
  assert.equal(backoff(5000, () => 1), BACKOFF_CAP_MS);
});

test('jitter spreads the back-off over the upper half', () => {
  assert.equal(backoff(2, () => 0), BACKOFF_FIRST_MS * 2);
  assert.equal(backoff(2, () => 0.5), BACKOFF_FIRST_MS * 3);
});

test('the address keeps a path prefix, and follows the scheme of the page', () => {
  const url = new URL(socketUrl('https://host:8443/rag/?x=1#y', { session: 'a b', lang: 'en' }));
  assert.equal(url.origin + url.pathname, 'wss://host:8443/rag/chat-ws');
  const wanted = { session_id: 'a b', lang: 'en', sources: 'early', thinking: 'show' };
  assert.deepEqual(Object.fromEntries(url.searchParams), wanted);
  assert.match(socketUrl('http://host/', { session: 's', lang: 'ko' }), /^ws:\/\/host\/chat-ws\?/);
});

test('ids are version 4 UUIDs, with and without randomUUID', () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(newId(), uuid);
  const insecure = { getRandomValues: (bytes) => globalThis.crypto.getRandomValues(bytes) };
  assert.match(newId(insecure), uuid);
  assert.notEqual(newId(insecure), newId(insecure));
});

test('states follow the connection', () => {
  chat.connect();
  last().onopen();
  last().onclose();
  assert.deepEqual(states, ['connecting', 'open', 'closed']);
});

test('connecting twice opens one connection', () => {
  chat.connect();
  chat.connect();
  assert.equal(sockets.length, 1);
});

test('a lost connection comes back after the back-off, each time later', () => {
  chat.connect();
  for (const wait of [1, 2, 4].map((n) => n * BACKOFF_FIRST_MS)) {
    const before = sockets.length;
    last().onclose();
    clock.pass(wait - 1);
    assert.equal(sockets.length, before);
    clock.pass(1);
    assert.equal(sockets.length, before + 1);
  }
});

test('a connection that is closed as soon as it opens does not reset the back-off; one that lasts does', () => {
  chat.connect();
  for (const wait of [1, 2].map((n) => n * BACKOFF_FIRST_MS)) {
    last().onopen();
    last().onclose();
    clock.pass(wait);
  }
  assert.equal(sockets.length, 3);
  last().onopen();
  clock.pass(SETTLED_MS);
  last().onclose();
  clock.pass(BACKOFF_FIRST_MS);
  assert.equal(sockets.length, 4);
});

test('a handshake that never ends is given up', () => {
  chat.connect();
  const silent = last();
  clock.pass(HANDSHAKE_MS + BACKOFF_FIRST_MS);
  assert.ok(silent.closed);
  assert.equal(sockets.length, 2);
});

test('while it waits for the next attempt it says when that is', () => {
  chat.connect();
  assert.equal(chat.retryAt, 0);
  clock.pass(70);
  last().onclose();
  assert.equal(chat.retryAt, 70 + BACKOFF_FIRST_MS);
  clock.pass(BACKOFF_FIRST_MS);
  assert.deepEqual([chat.state, chat.retryAt], ['connecting', 0]);
  last().onclose();
  chat.connect();
  assert.deepEqual([sockets.length, chat.retryAt], [3, 0]);
});

test('a message, a resume and a cancel have the form of the protocol', () => {
  chat.connect();
  last().onopen();
  assert.ok(chat.ask({ messageId: 'm1', content: '안녕', sessionId: 's1' }));
  assert.ok(chat.resume('m1', 17));
  assert.ok(chat.cancel('m1'));
  assert.deepEqual(last().sent, [
    { type: 'message', message_id: 'm1', content: '안녕', session_id: 's1' },
    { type: 'resume', message_id: 'm1', next_index: 17 },
    { type: 'cancel', message_id: 'm1' },
  ]);
});

test('nothing is sent while the connection is not open', () => {
  const message = { messageId: 'm', content: 'c', sessionId: 's' };
  assert.equal(chat.ask(message), false);
  chat.connect();
  assert.equal(chat.ask(message), false);
  last().onopen();
  last().onclose();
  assert.equal(chat.ask(message), false);
  assert.equal(chat.cancel('m'), false);
  assert.equal(chat.resume('m', 0), false);
  assert.deepEqual(sockets[0].sent, []);
});

test('frames that are no typed JSON object are ignored', () => {
  chat.connect();
  last().onopen();
  for (const data of ['{', 'null', '7', '[]', '{"no": "type"}', new ArrayBuffer(2)]) last().onmessage({ data });
  last().onmessage({ data: '{"type": "stream_start", "message_id": "m"}' });
  assert.deepEqual(events, [{ type: 'stream_start', message_id: 'm' }]);
});

test('reconnect leaves the old connection at once and asks for the address anew', () => {
  chat.connect();
  const old = last();
  old.onopen();
  language = 'en';
  chat.reconnect();
  assert.ok(old.closed);
  assert.match(last().url, /lang=en/);
  assert.deepEqual(states, ['connecting', 'open', 'connecting']);
});

test('a replaced connection is not heard any more', () => {
  chat.connect();
  const old = last();
  old.onopen();
  chat.reconnect();
  old.onmessage({ data: '{"type": "stream_end"}' });
  old.onclose();
  clock.pass(BACKOFF_CAP_MS - HANDSHAKE_MS);
  assert.equal(sockets.length, 2);
  assert.deepEqual(events, []);
});

test('close ends it for good', () => {
  chat.connect();
  last().onopen();
  chat.close();
  clock.pass(10 * BACKOFF_CAP_MS);
  assert.equal(sockets.length, 1);
  assert.equal(chat.state, 'closed');
  assert.equal(clock.timers.size, 0);
});
