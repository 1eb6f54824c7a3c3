import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Gate, follow, upload } from '../../web/static/documents.js';

const file = new File(['text'], '안내서.md');
const reply = (status, body) => async () => new Response(body, { status });

test('a file goes out as the multipart field `files`, and the jobs come back', async () => {
  let request;
  const answer = await upload(file, async (url, options) => {
    request = { url, ...options };
    return new Response('{"jobs": [{"id": "1", "name": "안내서.md"}]}', { status: 202 });
  });
  assert.equal(request.url, 'documents');
  assert.equal(request.method, 'POST');
  assert.equal(request.body.get('files').name, '안내서.md');
  assert.deepEqual(answer.jobs, [{ id: '1', name: '안내서.md' }]);
});

test('a refusal is passed on, and one without a body gets words of its own', async () => {
  const body = { error_code: 'DOC-001', message: 'no', solutions: ['pdf'] };
  assert.deepEqual(await upload(file, reply(415, JSON.stringify(body))), { error: body });
  assert.match((await upload(file, reply(502, '<html>'))).error.message, /502/);
});

test('an upload that never arrives is an error too', async () => {
  const { error } = await upload(file, async () => {
    throw new TypeError('network');
  });
  assert.ok(error.message);
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

  job(data) {
    this.dispatchEvent(Object.assign(new Event('job'), { data: JSON.stringify(data) }));
  }
}

test('a job is followed to its last state and its stream closed', async () => {
  const states = [];
  const followed = follow('a/b', (job) => states.push(job.state), FakeEventSource);
  const stream = FakeEventSource.all.at(-1);
  for (const state of ['queued', 'parsing', 'embedding', 'stored']) stream.job({ id: 'a/b', state });
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

test('a gate lets so many through at a time, in order, and survives a failure', async () => {
  const gate = new Gate(2);
  const started = [];
  let running = 0;
  let most = 0;
  const task = (n) => async () => {
    started.push(n);
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve));
    running--;
    if (n === 1) throw new Error('one fails');
  };
  await Promise.allSettled([0, 1, 2, 3, 4].map((n) => gate.run(task(n))));
  assert.deepEqual(started, [0, 1, 2, 3, 4]);
  assert.equal(most, 2);
});
