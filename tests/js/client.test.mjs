import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import {
  BACKOFF_CAP_MS,
  BACKOFF_FIRST_MS,
  ChatClient,
  ChatError,
  HANDSHAKE_MS,
  SETTLED_MS,
  SILENCE_MS,
  backoff,
  newId,
  socketUrl,
} from '../../web/static/client.js';
import { Clock } from './clock.mjs';

let sockets, clock, told, back, chat;

class FakeWebSocket {
  sent = [];
  closed = false;

  constructor(url, more) {
    this.url = url;
    this.more = more;
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
const says = (event) => last().onmessage({ data: JSON.stringify(event) });
const start = (id) => says({ type: 'stream_start', message_id: id });
const token = (id, index, text) => says({ type: 'stream_token', message_id: id, index, token: text });
const sources = (id) => says({ type: 'stream_sources', message_id: id, sources: [] });
const end = (id, reason = 'stop') => says({ type: 'stream_end', message_id: id, total_tokens: 1, processing_time_ms: 5, finish_reason: reason });
const error = (id, code = 'GEN-001') => says({ type: 'stream_error', message_id: id, error_code: code, message: 'slow', solutions: ['wait'] });
/** What was sent on all connections, in short. */
const frames = () => sockets.map(({ sent }) => sent.map(({ type, message_id: id, next_index: next }) => [type, id, next].filter((part) => part !== undefined).join(' ')));

/** Lets the connection be lost and come back. */
function breakAndReturn() {
  last().onclose();
  chat.connect();
  last().onopen();
}

function client(settings = {}) {
  const made = new ChatClient('http://host', {
    session: 's1',
    WebSocket: FakeWebSocket,
    setTimeout: clock.setTimeout,
    clearTimeout: clock.clearTimeout,
    random: () => 1,
    now: () => clock.now,
    onBack(run) {
      back = run;
      return () => (back = null);
    },
    ...settings,
  });
  for (const type of ['state', 'silence']) made.addEventListener(type, ({ detail }) => told.push(detail));
  return made;
}

function open(settings) {
  chat = client(settings);
  chat.connect();
  last().onopen();
  told = [];
}

async function textOf(reply) {
  const pieces = [];
  for await (const piece of reply) pieces.push(piece);
  return pieces.join('');
}

beforeEach(() => {
  sockets = [];
  clock = new Clock();
  told = [];
  chat = client();
});

// ---------------------------------------------------------------- the address

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

test('the address keeps a path prefix, and follows the scheme of the server', () => {
  const url = new URL(socketUrl('https://host:8443/rag?x=1#y', { session_id: 'a b', lang: 'en', answers: undefined }));
  assert.equal(url.origin + url.pathname + url.hash, 'wss://host:8443/rag/chat-ws');
  assert.deepEqual(Object.fromEntries(url.searchParams), { session_id: 'a b', lang: 'en' });
  for (const base of ['http://host', 'ws://host/']) assert.equal(socketUrl(base, {}), 'ws://host/chat-ws');
  assert.equal(socketUrl('wss://host', {}), 'wss://host/chat-ws');
});

test('the settings of a conversation go into its address, and headers where the WebSocket takes them', () => {
  open({ lang: 'ko', answers: 'quote', thinking: true, headers: { 'X-API-Key': 'k' } });
  const asked = Object.fromEntries(new URL(last().url).searchParams);
  assert.deepEqual(asked, { session_id: 's1', lang: 'ko', sources: 'early', answers: 'quote', thinking: 'show' });
  assert.deepEqual(last().more, { headers: { 'X-API-Key': 'k' } });
  open({ sources: 'late' });
  assert.match(last().url, /\?session_id=s1&sources=late$/);
  assert.equal(last().more, undefined);
});

test('ids are version 4 UUIDs, with and without randomUUID', () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(newId(), uuid);
  const insecure = { getRandomValues: (bytes) => globalThis.crypto.getRandomValues(bytes) };
  assert.match(newId(insecure), uuid);
  assert.notEqual(newId(insecure), newId(insecure));
});

// ---------------------------------------------------------------- the connection

test('states follow the connection', () => {
  chat.connect();
  last().onopen();
  last().onclose();
  assert.deepEqual(told, ['connecting', 'open', 'closed']);
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

test('when the network or the page is back, it does not wait', () => {
  chat.connect();
  last().onclose();
  back();
  assert.equal(sockets.length, 2);
  last().onopen();
  back();
  assert.equal(sockets.length, 2);
});

test('a connection that is silent while an answer is awaited is not trusted when the page is back', () => {
  open();
  chat.send('q', { messageId: 'm' });
  clock.pass(1_000);
  back();
  assert.equal(sockets.length, 1);
  clock.pass(5_000);
  back();
  assert.equal(sockets.length, 2);
});

test('a new language is taken along at once, or when the running answer has ended', () => {
  open();
  chat.lang = 'en';
  assert.match(last().url, /lang=en/);
  assert.ok(sockets[0].closed);
  last().onopen();
  chat.send('q', { messageId: 'm' });
  chat.lang = 'ko';
  chat.lang = 'ko';
  assert.equal(sockets.length, 2);
  end('m');
  assert.equal(sockets.length, 3);
  assert.match(last().url, /lang=ko/);
});

test('a replaced connection is not heard any more', () => {
  open();
  const old = last();
  const reply = chat.send('q', { messageId: 'm' });
  chat.reconnect();
  assert.ok(old.closed);
  old.onmessage({ data: '{"type": "stream_end", "message_id": "m"}' });
  old.onclose();
  clock.pass(BACKOFF_CAP_MS - HANDSHAKE_MS);
  assert.equal(sockets.length, 2);
  assert.equal(reply.answer.phase, 'waiting');
});

test('frames that are no typed JSON object are ignored', () => {
  open();
  const events = [];
  chat.addEventListener('message', ({ detail }) => events.push(detail));
  for (const data of ['{', 'null', '7', '[]', '{"no": "type"}', new ArrayBuffer(2)]) last().onmessage({ data });
  start('m');
  assert.deepEqual(events, [{ type: 'stream_start', message_id: 'm' }]);
});

test('close ends it for good, with what runs', async () => {
  open();
  const [asked, waiting] = [chat.send('q', { messageId: 'm' }), chat.send('r')];
  chat.close();
  chat.connect();
  clock.pass(10 * BACKOFF_CAP_MS);
  assert.deepEqual([sockets.length, chat.state, clock.timers.size, back], [1, 'closed', 0, null]);
  assert.deepEqual(frames(), [['message m', 'cancel m']]);
  for (const reply of [asked, waiting]) assert.equal((await reply.done).phase, 'stopped');
  assert.throws(() => chat.send('q'), /closed/);
});

// ---------------------------------------------------------------- asking

test('a question has the form of the protocol, and goes out when there is a connection', () => {
  const options = { temperature: 0, documents: ['d'] };
  const reply = chat.send('안녕', { messageId: 'm1', replaces: 'm0', options });
  assert.equal(sockets.length, 1);
  assert.equal(reply.isSent, false);
  last().onopen();
  assert.ok(reply.isSent);
  const asked = { type: 'message', message_id: 'm1', content: '안녕', session_id: 's1', replaces: 'm0', options };
  assert.deepEqual(last().sent, [asked]);
});

test('an answer is told in pieces and as a whole', async () => {
  open();
  const calls = [];
  const on = Object.fromEntries(
    ['onStart', 'onThinking', 'onToken', 'onSources', 'onEnd', 'onError'].map((name) => [name, (value) => calls.push([name, value?.phase ?? value])]),
  );
  const reply = chat.send('q', { messageId: 'm', ...on });
  const read = textOf(reply);
  start('m');
  says({ type: 'stream_thinking', message_id: 'm', text: 'hm' });
  token('m', 0, '안');
  token('m', 1, '');
  token('m', 2, '녕');
  sources('m');
  end('m');
  assert.equal(await read, '안녕');
  const { text, sources: found, end: told } = await reply.done;
  assert.deepEqual([text, found, told.reason], ['안녕', [], 'stop']);
  assert.deepEqual(calls, [
    ['onStart', undefined],
    ['onThinking', 'hm'],
    ['onToken', '안'],
    ['onToken', '녕'],
    ['onSources', []],
    ['onEnd', 'done'],
  ]);
});

test('who reads slowly gets what has come since, at once', async () => {
  open();
  const reply = chat.send('q', { messageId: 'm' });
  const reading = reply[Symbol.asyncIterator]();
  for (const index of [0, 1, 2]) token('m', index, 'abc'[index]);
  assert.deepEqual(await reading.next(), { value: 'abc', done: false });
  token('m', 3, 'd');
  end('m');
  assert.deepEqual(await reading.next(), { value: 'd', done: false });
  assert.equal((await reading.next()).done, true);
});

test('an error is thrown, with its code and its solutions', async () => {
  open();
  const errors = [];
  const reply = chat.send('q', { messageId: 'm', onError: (told) => errors.push(told.code), onEnd: () => errors.push('end') });
  start('m');
  error('m');
  const isIt = (thrown) => thrown instanceof ChatError && thrown.code === 'GEN-001' && thrown.message === 'slow' && thrown.solutions[0] === 'wait';
  await assert.rejects(() => textOf(reply), isIt);
  await assert.rejects(() => reply.done, isIt);
  assert.deepEqual(errors, ['GEN-001']);
});

test('an error that names no question is that of the one with the server', () => {
  open();
  const [first, second] = [chat.send('q'), chat.send('r')];
  error('unknown', 'WS-001-INVALID_JSON');
  assert.deepEqual([first.answer.phase, second.answer.phase], ['failed', 'waiting']);
});

test('one question at a time is with the server, in order', () => {
  open();
  chat.send('a', { messageId: 'a' });
  chat.send('b', { messageId: 'b' });
  assert.deepEqual(frames(), [['message a']]);
  start('a');
  end('a');
  assert.deepEqual(frames(), [['message a', 'message b']]);
});

test('a question waits until it may be asked', () => {
  let isReady = false;
  open({ mayAsk: () => isReady });
  const reply = chat.send('q', { messageId: 'm' });
  assert.equal(reply.isSent, false);
  isReady = true;
  chat.pump();
  assert.ok(reply.isSent);
});

test('what a listener does wrong does not stop the next question', () => {
  open();
  chat.send('a', { messageId: 'a', onEnd: () => { throw new Error('mine'); } });
  const next = chat.send('b', { messageId: 'b' });
  assert.throws(() => end('a'), /mine/);
  assert.ok(next.isSent);
});

// ---------------------------------------------------------------- cancelling

test('an answer is cancelled once, and ends with what the server says', async () => {
  open();
  const reply = chat.send('q', { messageId: 'm' });
  start('m');
  chat.cancel('m');
  reply.cancel();
  chat.cancel('unknown to it');
  assert.deepEqual(frames(), [['message m', 'cancel m']]);
  assert.ok(reply.isStopping);
  sources('m');
  end('m', 'cancelled');
  assert.equal((await reply.done).phase, 'stopped');
});

test('leaving the loop early cancels', async () => {
  open();
  const reply = chat.send('q', { messageId: 'm' });
  token('m', 0, 'a');
  for await (const piece of reply) {
    assert.equal(piece, 'a');
    break;
  }
  assert.deepEqual(frames(), [['message m', 'cancel m']]);
});

test('a signal cancels, also one that was given before', () => {
  open();
  const control = new AbortController();
  const reply = chat.send('q', { messageId: 'm', signal: control.signal });
  control.abort();
  assert.deepEqual(frames(), [['message m', 'cancel m']]);
  assert.ok(reply.isStopping);
  end('m', 'cancelled');
  control.abort();
  chat.send('r', { messageId: 'n', signal: AbortSignal.abort() });
  assert.deepEqual(frames()[0].slice(2), ['message n', 'cancel n']);
});

test('a question that was not sent is stopped at once, and never goes out', () => {
  const reply = chat.send('q');
  reply.cancel();
  assert.equal(reply.answer.phase, 'stopped');
  last().onopen();
  assert.deepEqual(frames(), [[]]);
});

test('what is cancelled without a connection stops at once, and the server is told when it is back', () => {
  open();
  const reply = chat.send('q', { messageId: 'm' });
  start('m');
  last().onclose();
  reply.cancel();
  assert.equal(reply.answer.phase, 'stopped');
  chat.connect();
  last().onopen();
  assert.deepEqual(frames()[1], ['cancel m']);
});

test('a cancelled answer whose connection breaks is not asked again', () => {
  open();
  const [unheard, begun] = [chat.send('q', { messageId: 'm' }), chat.send('r', { messageId: 'n' })];
  unheard.cancel();
  breakAndReturn();
  assert.deepEqual(frames()[1], ['cancel m', 'message n']);
  assert.equal(unheard.answer.phase, 'stopped');
  start('n');
  begun.cancel();
  breakAndReturn();
  assert.deepEqual(frames()[2], ['resume n 0', 'cancel n']);
});

// ---------------------------------------------------------------- resuming

test('an answer is whole and told once, wherever the connection breaks', async () => {
  const words = ['a', 'b', 'c', 'd'];
  for (let had = 0; had <= words.length; had++) {
    open();
    const pieces = [];
    const reply = chat.send('q', { messageId: 'm', onToken: (text) => pieces.push(text) });
    const read = textOf(reply);
    start('m');
    for (let index = 0; index < had; index++) token('m', index, words[index]);
    breakAndReturn();
    assert.deepEqual(last().sent, [{ type: 'resume', message_id: 'm', next_index: had }]);
    start('m');
    for (let index = had; index < words.length; index++) token('m', index, words[index]);
    sources('m');
    end('m');
    assert.equal(await read, 'abcd');
    assert.deepEqual(pieces, words);
  }
});

test('a question whose answer had not begun is sent again as it was', () => {
  open();
  chat.send('q', { messageId: 'm', options: { temperature: 1 } });
  breakAndReturn();
  assert.deepEqual(sockets.at(-1).sent, sockets.at(-2).sent);
});

test('an answer that is kept no more is interrupted, which is an error', async () => {
  open();
  const reply = chat.send('q', { messageId: 'm' });
  start('m');
  token('m', 0, 'a');
  breakAndReturn();
  error('m', 'SESSION-003');
  assert.deepEqual([reply.answer.phase, reply.answer.text], ['interrupted', 'a']);
  await assert.rejects(() => reply.done, { code: 'SESSION-003' });
});

test('another client goes on with a kept answer', async () => {
  open();
  const first = chat.send('q', { messageId: 'm' });
  start('m');
  token('m', 0, 'a');
  const kept = JSON.parse(JSON.stringify(first.answer));
  open();
  const reply = chat.resume(kept);
  const early = client();
  assert.deepEqual(last().sent, [{ type: 'resume', message_id: 'm', next_index: 1 }]);
  start('m');
  token('m', 1, 'b');
  sources('m');
  end('m');
  assert.deepEqual([(await reply.done).text, await textOf(reply)], ['ab', 'ab']);
  early.resume({ messageId: 'x' });
  last().onopen();
  assert.deepEqual(last().sent, [{ type: 'resume', message_id: 'x', next_index: 0 }]);
});

// ---------------------------------------------------------------- silence

test('silence is told after its time while an answer is awaited, and again after as long', () => {
  open();
  clock.pass(2 * SILENCE_MS);
  chat.send('q', { messageId: 'm' });
  clock.pass(SILENCE_MS - 1);
  assert.deepEqual([chat.isSilent, told], [false, []]);
  clock.pass(1);
  assert.ok(chat.isSilent);
  assert.deepEqual(told, [SILENCE_MS, 'connecting']);
  last().onopen();
  clock.pass(SILENCE_MS);
  assert.deepEqual(told.slice(2), ['open', 2 * SILENCE_MS, 'connecting']);
});

test('any sign of the server ends the silence, which is counted anew', () => {
  open({ silence: 100 });
  chat.send('q', { messageId: 'm' });
  clock.pass(99);
  token('m', 0, 'a');
  clock.pass(99);
  assert.deepEqual([chat.isSilent, told], [false, []]);
  clock.pass(1);
  assert.ok(chat.isSilent);
  last().onopen();
  let changes = 0;
  chat.addEventListener('change', () => changes++);
  start('m');
  assert.deepEqual([chat.isSilent, changes], [false, 1]);
  end('m');
  clock.pass(1_000);
  assert.equal(chat.isSilent, false);
});

test('a silence without a connection does not cut the back-off short', () => {
  open({ silence: 100 });
  chat.send('q');
  last().onclose();
  clock.pass(100);
  assert.deepEqual([sockets.length, chat.isSilent], [1, true]);
});

test('two clients know nothing of each other', () => {
  open();
  const [first, one] = [chat, last()];
  open({ session: 's2' });
  const replies = [first.send('q', { messageId: 'm' }), chat.send('q', { messageId: 'm' })];
  one.onmessage({ data: '{"type": "stream_end", "message_id": "m"}' });
  assert.deepEqual(replies.map(({ answer }) => answer.phase), ['done', 'waiting']);
});

test('a server that goes says so with 1001, and that is known until it is back', () => {
  chat.connect();
  last().onopen();
  last().onclose({ code: 1006 });
  assert.equal(chat.isRestarting, false);
  chat.connect();
  last().onopen();
  last().onclose({ code: 1001 });
  clock.pass(BACKOFF_FIRST_MS);
  last().onclose({ code: 1006 });
  assert.equal(chat.isRestarting, true);
  chat.connect();
  last().onopen();
  assert.equal(chat.isRestarting, false);
});
