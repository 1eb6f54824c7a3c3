import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { Deletions, UNDO_MS, deleteDocument } from '../../web/static/deletions.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

function scripted(error = null) {
  const sent = [];
  const ended = [];
  const deletions = new Deletions({
    onChange() {},
    onEnd: (document, problem) => ended.push([document.id, problem]),
    send: async (id, how) => {
      sent.push([id, how?.keepalive ?? false]);
      return error;
    },
  });
  return { deletions, sent, ended };
}

const doc = (id) => ({ id, name: `${id}.md` });

test('a document is out of sight at once and deleted when the time to undo is over', async () => {
  const { deletions, sent, ended } = scripted();
  deletions.add(doc('a'));
  mock.timers.tick(UNDO_MS - 1);
  assert.deepEqual([deletions.has('a'), sent], [true, []]);
  mock.timers.tick(1);
  assert.deepEqual(sent, [['a', false]]);
  assert.ok(deletions.has('a'), 'until it is really gone');
  await settled();
  assert.deepEqual([deletions.has('a'), ended], [false, [['a', null]]]);
});

test('each of several can be brought back, and too late is too late', async () => {
  const { deletions, sent } = scripted();
  deletions.add(doc('a'));
  mock.timers.tick(5_000);
  deletions.add(doc('b'));
  deletions.add(doc('b'));
  assert.deepEqual(deletions.waiting.map(({ id }) => id), ['b', 'a']);
  assert.ok(deletions.undo('a'));
  mock.timers.tick(UNDO_MS);
  assert.deepEqual(sent, [['b', false]]);
  assert.ok(!deletions.undo('b'));
  await settled();
  assert.equal(deletions.has('a'), false);
});

test('when the page goes, what waits is deleted by requests that outlive it', async () => {
  const { deletions, sent } = scripted();
  deletions.add(doc('a'));
  deletions.add(doc('b'));
  await deletions.flush({ keepalive: true });
  mock.timers.tick(UNDO_MS);
  assert.deepEqual(sent, [['a', true], ['b', true]]);
});

test('a deletion that fails brings the document back with its reason', async () => {
  const error = { message: 'no' };
  const { deletions, ended } = scripted(error);
  deletions.add(doc('a'));
  await deletions.flush();
  assert.deepEqual([deletions.has('a'), ended], [false, [['a', error]]]);
});

test('a document that is gone already counts as deleted; a refusal and silence have words', async () => {
  const answer = (status, body = '') => async () => new Response(body || null, { status });
  assert.equal(await deleteDocument('a', {}, answer(204)), null);
  assert.equal(await deleteDocument('a', {}, answer(404, '{"message": "none"}')), null);
  assert.deepEqual(await deleteDocument('a', {}, answer(500, '{"message": "full"}')), { message: 'full' });
  assert.match((await deleteDocument('a', {}, answer(502, '<'))).message, /502/);
  assert.ok((await deleteDocument('a', {}, () => Promise.reject(new TypeError()))).message);
});
