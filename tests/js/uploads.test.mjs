import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { setLang } from '../../web/static/i18n.js';
import { JobStream, cancelJob, follow, send } from '../../web/static/send.js';
import { Uploads } from '../../web/static/uploads.js';

beforeEach(() => setLang('en'));
afterEach(() => mock.timers.reset());

const settled = () => new Promise((resolve) => setImmediate(resolve));

// ---------------------------------------------------------------- the wire

class FakeRequest extends EventTarget {
  static last;
  upload = new EventTarget();
  headers = {};

  constructor() {
    super();
    FakeRequest.last = this;
  }

  open(method, url) {
    Object.assign(this, { method, url });
  }

  setRequestHeader(key, value) {
    this.headers[key] = value;
  }

  send(body) {
    this.body = body;
  }

  abort() {
    this.dispatchEvent(new Event('abort'));
  }

  answer(status, responseText) {
    Object.assign(this, { status, responseText });
    this.dispatchEvent(new Event('load'));
  }
}

test('a file goes out as the multipart field `files` with its path, its bytes are counted, and its job comes back', async () => {
  const shares = [];
  const answer = send(new File(['text'], 'x'), '폴더/안내서.md', { onSent: (share) => shares.push(share) }, FakeRequest);
  const { last } = FakeRequest;
  assert.deepEqual([last.method, last.url, last.headers['Accept-Language']], ['POST', 'documents', 'en']);
  assert.equal(last.body.get('files').name, '폴더/안내서.md');
  last.upload.dispatchEvent(Object.assign(new Event('progress'), { loaded: 1, total: 4 }));
  last.upload.dispatchEvent(new Event('load'));
  last.answer(202, '{"jobs": [{"id": "1", "name": "안내서.md"}]}');
  assert.deepEqual(await answer, { id: '1' });
  assert.deepEqual(shares, [0.25, 1]);
});

test('a refusal is passed on, one without a body and a lost connection get words of their own', async () => {
  const body = { error_code: 'DOC-001', message: 'no', solutions: ['pdf'] };
  const refused = send(new Blob(), 'a.md', {}, FakeRequest);
  FakeRequest.last.answer(415, JSON.stringify(body));
  assert.deepEqual(await refused, { error: body });
  const strange = send(new Blob(), 'a.md', {}, FakeRequest);
  FakeRequest.last.answer(502, '<html>');
  assert.match((await strange).error.message, /502/);
  const lost = send(new Blob(), 'a.md', {}, FakeRequest);
  FakeRequest.last.dispatchEvent(new Event('error'));
  assert.ok((await lost).error.message);
});

test('an upload that is aborted says so', async () => {
  const abort = new AbortController();
  const answer = send(new Blob(), 'a.md', { signal: abort.signal }, FakeRequest);
  abort.abort();
  assert.deepEqual(await answer, { cancelled: true });
});

test('a job is cancelled by its id; what cannot be told is null', async () => {
  const asked = [];
  const fetch = async (url, { method }) => {
    asked.push(`${method} ${url}`);
    return new Response('{"state": "cancelled"}');
  };
  assert.deepEqual(await cancelJob('a/b', fetch), { state: 'cancelled' });
  assert.deepEqual(asked, ['DELETE documents/jobs/a%2Fb']);
  assert.equal(await cancelJob('x', async () => new Response('', { status: 404 })), null);
  assert.equal(await cancelJob('x', () => Promise.reject(new TypeError())), null);
});

class FakeEventSource extends EventTarget {
  static CLOSED = 2;
  static all = [];
  readyState = 1;

  constructor(url) {
    super();
    this.url = url;
    FakeEventSource.all.push(this);
  }

  close() {
    this.readyState = 2;
  }

  say(event, data) {
    this.dispatchEvent(Object.assign(new Event(event), { data: JSON.stringify(data) }));
  }
}

test('a job is followed to its last state and its stream closed', async () => {
  const states = [];
  const followed = follow('a/b', (job) => states.push(job.state), FakeEventSource);
  const stream = FakeEventSource.all.at(-1);
  for (const state of ['queued', 'parsing', 'embedding', 'stored']) stream.say('job', { id: 'a/b', state });
  assert.equal(await followed, true);
  assert.match(stream.url, /^documents\/jobs\/a%2Fb\/events\?/);
  assert.deepEqual(states, ['queued', 'parsing', 'embedding', 'stored']);
  assert.equal(stream.readyState, 2);
});

test('a job that cannot be followed ends, one whose stream comes back goes on', async () => {
  const followed = follow('1', () => {}, FakeEventSource);
  const stream = FakeEventSource.all.at(-1);
  stream.readyState = 0;
  stream.dispatchEvent(new Event('error'));
  stream.readyState = FakeEventSource.CLOSED;
  stream.dispatchEvent(new Event('error'));
  assert.equal(await followed, false);
});

test('the stream of all jobs is one, comes back after a refusal, and rests when closed', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  FakeEventSource.all = [];
  const seen = [];
  const stream = new JobStream((event) => seen.push(event), FakeEventSource);
  stream.open();
  stream.open();
  FakeEventSource.all[0].say('jobs', { jobs: [] });
  assert.deepEqual([FakeEventSource.all.length, seen.length], [1, 1]);
  FakeEventSource.all[0].readyState = FakeEventSource.CLOSED;
  FakeEventSource.all[0].dispatchEvent(new Event('error'));
  mock.timers.tick(5_000);
  assert.equal(FakeEventSource.all.length, 2);
  stream.close();
  FakeEventSource.all[1].dispatchEvent(new Event('error'));
  mock.timers.tick(60_000);
  assert.equal(FakeEventSource.all.length, 2);
});

// ---------------------------------------------------------------- the queue

/** Uploads over scripted requests: each `sent` entry is answered by the test. */
function scripted(parts = {}) {
  const sent = [];
  const cancelled = [];
  let stored = 0;
  const uploads = new Uploads(new Set(['.md']), {
    onChange() {},
    onStored: () => stored++,
    send: (content, name, { signal, onSent }) =>
      new Promise((resolve) => {
        sent.push({ content, name, onSent, answer: resolve });
        signal.addEventListener('abort', () => resolve({ cancelled: true }));
      }),
    cancelJob: async (id) => {
      cancelled.push(id);
      return job(id, 'cancelled');
    },
    follow: async () => false,
    ...parts,
  });
  return { uploads, sent, cancelled, stored: () => stored };
}

const job = (id, state, values = {}) => ({ id, name: `${id}.md`, state, done: 0, total: 0, error: null, ...values });
const event = (jobs, { first = false, queued = 0 } = {}) => ({ jobs, first, counts: { queued } });
const files = (...names) => names.map((name) => ({ name, file: new File(['text'], name) }));
const states = (uploads) => [...uploads.items].map(({ state }) => state);

test('two files are sent at a time, in order, and followed to their end', async () => {
  const { uploads, sent, stored } = scripted();
  uploads.add(files('1.md', '2.md', '3.md'));
  assert.deepEqual(states(uploads), ['uploading', 'uploading', 'waiting']);
  sent[0].answer({ id: 'a' });
  await settled();
  assert.deepEqual(states(uploads), ['queued', 'uploading', 'uploading']);
  uploads.saw(event([job('a', 'embedding', { done: 3, total: 9 })]));
  uploads.saw(event([job('a', 'stored', { done: 9, total: 9 })]));
  uploads.saw(event([job('a', 'stored', { done: 9, total: 9 })]));
  assert.equal(stored(), 1);
  assert.deepEqual(uploads.summary, { total: 3, ended: 1, stored: 1, failed: 0, cancelled: 0 });
  assert.ok(uploads.isRunning);
});

test('the stream may tell of a job before its upload is answered', async () => {
  const { uploads, sent, stored } = scripted();
  uploads.add(files('1.md', '2.md'));
  uploads.saw(event([job('a', 'failed', { name: '1.md' })], { queued: 1 }));
  assert.equal(uploads.summary.total, 2);
  sent[0].answer({ id: 'a' });
  sent[1].answer({ id: 'b' });
  await settled();
  assert.deepEqual(states(uploads), ['failed', 'queued']);
  uploads.saw(event([job('b', 'stored', { name: '2.md' })]));
  assert.deepEqual([states(uploads), stored()], [['failed', 'stored'], 1]);
});

test('a job with the name of a file on its way, but of someone else, is shown once the upload is answered', async () => {
  const { uploads, sent } = scripted();
  uploads.add(files('1.md'));
  uploads.saw(event([job('x', 'embedding', { name: '1.md' })]));
  assert.deepEqual(states(uploads), ['uploading']);
  sent[0].answer({ id: 'a' });
  await settled();
  assert.deepEqual(states(uploads), ['queued', 'embedding']);
});

test('a job that was seen before a file of its name was sent is not shown twice', async () => {
  const { uploads, sent } = scripted();
  uploads.saw(event([job('a', 'parsing')]));
  uploads.add(files('a.md'));
  sent[0].answer({ id: 'a' });
  await settled();
  assert.deepEqual(states(uploads), ['parsing']);
});

test('of a type that cannot be read no content is sent: the name is enough to be told why', () => {
  const { uploads, sent } = scripted();
  uploads.add(files('big.exe', 'a.md'));
  assert.deepEqual(sent.map(({ content }) => content.size), [0, 4]);
});

test('a file is cancelled while it waits, while it is sent, and while the server works on it', async () => {
  const { uploads, sent, cancelled } = scripted();
  uploads.add(files('1.md', '2.md', '3.md'));
  const [first, second, third] = uploads.items;
  uploads.cancel(third);
  uploads.cancel(first);
  sent[1].answer({ id: 'b' });
  await settled();
  await uploads.cancel(second);
  assert.deepEqual(states(uploads), ['cancelled', 'cancelled', 'cancelled']);
  assert.deepEqual(cancelled, ['b']);
  assert.equal(sent.length, 2, 'what was cancelled is not sent');
});

test('a file whose bytes have all been sent is cancelled as the job that the server has made of it', async () => {
  const { uploads, sent, cancelled } = scripted();
  uploads.add(files('1.md'));
  const [item] = uploads.items;
  sent[0].onSent(1);
  uploads.cancel(item);
  assert.equal(item.state, 'uploading');
  sent[0].answer({ id: 'a' });
  await settled();
  assert.deepEqual([item.state, item.isLeaving, cancelled], ['cancelled', false, ['a']]);
});

test('a job that is stored before it can be cancelled counts as stored', async () => {
  const { uploads, sent } = scripted({ cancelJob: async (id) => job(id, 'stored') });
  uploads.add(files('1.md'));
  sent[0].answer({ id: 'a' });
  await settled();
  await uploads.cancel([...uploads.items][0]);
  assert.deepEqual(states(uploads), ['stored']);
});

test('all are cancelled at once', async () => {
  const { uploads, sent } = scripted();
  uploads.add(files('1.md', '2.md', '3.md', '4.md'));
  sent[0].answer({ id: 'a' });
  await settled();
  uploads.cancelAll();
  await settled();
  assert.deepEqual(new Set(states(uploads)), new Set(['cancelled']));
});

test('a failure stays with its reason, and is sent again on demand', async () => {
  const { uploads, sent } = scripted();
  const error = { error_code: 'DOC-005', message: 'damaged', solutions: [] };
  uploads.add([...files('1.md', '2.md'), { name: 'locked.md', file: null }]);
  sent[0].answer({ error });
  sent[1].answer({ id: 'b' });
  await settled();
  uploads.saw(event([job('b', 'failed', { error })]));
  assert.deepEqual([...uploads.items].map((item) => Boolean(item.error?.message)), [true, true, true]);
  uploads.retryFailed();
  assert.deepEqual(sent.slice(2).map(({ name }) => name), ['1.md', '2.md']);
  assert.deepEqual([...uploads.items].map(({ name, state }) => `${name} ${state}`), [
    'locked.md failed',
    '1.md uploading',
    '2.md uploading',
  ]);
});

test('new files begin a new count; failures stay until they are cleared', async () => {
  const { uploads, sent } = scripted();
  uploads.add(files('1.md', '2.md'));
  sent[0].answer({ id: 'a' });
  sent[1].answer({ error: { message: 'no' } });
  await settled();
  uploads.saw(event([job('a', 'stored')]));
  uploads.add(files('3.md'));
  assert.deepEqual(states(uploads), ['failed', 'uploading']);
  sent[2].answer({ id: 'c' });
  await settled();
  uploads.saw(event([job('c', 'failed', { error: { message: 'no' } })]));
  assert.equal(uploads.clear(), 'c');
  assert.equal(uploads.items.size, 0);
});

test('jobs of before a reload and of others are shown, and what has not come yet is counted', () => {
  const { uploads } = scripted({ seen: '5' });
  const jobs = [job('7', 'parsing'), job('8', 'queued'), job('4', 'failed'), job('6', 'failed')];
  uploads.saw(event(jobs, { first: true, queued: 40 }));
  assert.deepEqual(states(uploads), ['parsing', 'queued', 'failed']);
  assert.equal(uploads.summary.total, 3 + 39);
  uploads.saw(event([job('7', 'stored'), job('8', 'stored')]));
  assert.ok(!uploads.isRunning);
});

test('a job that ended while nobody looked is asked for, and one that is not known any more says so', async () => {
  const { uploads, sent } = scripted({
    follow: async (id, onJob) => {
      if (id === 'a') onJob(job('a', 'stored'));
      return id === 'a';
    },
  });
  uploads.add(files('1.md', '2.md'));
  sent[0].answer({ id: 'a' });
  sent[1].answer({ id: 'b' });
  await settled();
  uploads.saw(event([], { first: true }));
  await settled();
  assert.deepEqual(states(uploads), ['stored', 'failed']);
  assert.ok([...uploads.items][1].error.message);
});
