import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MemoryHistory, openHistory } from '../../web/static/history.js';
import { head, kept } from './kept.mjs';

const begun = async () => {
  const history = new MemoryHistory();
  await history.change({ id: 'a', head: head('a', 1, 'First'), turns: [kept('a', '1', 10, 'one'), kept('a', '2', 20, 'two')] });
  return history;
};
const ids = async (history, id) => (await history.turns(id)).map((turn) => turn.id);

test('turns come in the order in which they were asked', async () => {
  const history = await begun();
  await history.change({ id: 'a', turns: [kept('a', '0', 15, 'between')] });
  assert.deepEqual(await ids(history, 'a'), ['1', '0', '2']);
});

test('one write takes out and puts in', async () => {
  const history = await begun();
  await history.change({ id: 'a', turns: [kept('a', '3', 20, 'again')], gone: ['2'] });
  assert.deepEqual(await ids(history, 'a'), ['1', '3']);
});

test('what was deleted is not brought back by a turn that comes late', async () => {
  const history = await begun();
  await history.remove('a');
  assert.equal(await history.change({ id: 'a', head: { updated: 5 }, turns: [kept('a', '3', 30, 'late')] }), false);
  assert.deepEqual([await history.heads(), await history.turns('a')], [[], []]);
});

test('of two tabs that begin the same conversation, the first names it and none loses a turn', async () => {
  const history = await begun();
  await history.change({ id: 'a', head: { ...head('a', 9, 'Second') }, turns: [kept('a', '9', 30, 'nine')] });
  assert.deepEqual(await history.heads(), [{ id: 'a', title: 'First', created: 1, updated: 9 }]);
  assert.deepEqual(await ids(history, 'a'), ['1', '2', '9']);
});

test('titles, questions and answers are searched', async () => {
  const history = await begun();
  await history.change({ id: 'b', head: head('b', 2, 'Other'), turns: [kept('b', '1', 1, '질문', '보증 기간은 2년')] });
  assert.deepEqual(await history.search('first'), new Set(['a']));
  assert.deepEqual(await history.search('2년 질문'), new Set(['b']));
  assert.deepEqual(await history.search('an answer two'), new Set(['a']));
  assert.deepEqual(await history.search('nowhere'), new Set());
});

test('where the browser refuses its database, memory takes its place', async () => {
  const refusing = {
    open() {
      throw new Error('SecurityError');
    },
  };
  for (const factory of [refusing, undefined]) assert.equal((await openHistory(factory)).lasts, false);
});
