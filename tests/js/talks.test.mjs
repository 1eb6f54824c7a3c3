import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newAnswer } from '../../web/static/client.js';
import { groups, isKnown, matches, settled, titleOf, told } from '../../web/static/talks.js';
import { head } from './kept.mjs';

test('a title is the first question in one line, cut between words', () => {
  assert.equal(titleOf('  What\n is  it? '), 'What is it?');
  const long = titleOf('How do I '.repeat(20));
  assert.ok([...long].length <= 61);
  assert.match(long, /How do…$|How…$|I…$/);
  assert.equal([...titleOf('가'.repeat(100))].length, 61);
  assert.equal(titleOf('🙂'.repeat(100)), `${'🙂'.repeat(60)}…`);
});

test('conversations stand under the day of their last question, the latest first', () => {
  const now = new Date(2026, 10, 23, 0, 30).getTime();
  const at = (day, hour) => new Date(2026, 10, day, hour).getTime();
  const heads = [head('older', at(20, 5)), head('late', at(22, 23)), head('early', at(22, 0)), head('today', at(23, 0))];
  const found = groups(heads, now).map(({ key, heads: of }) => [key, of.map(({ id }) => id)]);
  assert.deepEqual(found, [['today', ['today']], ['yesterday', ['late', 'early']], ['older', ['older']]]);
  assert.deepEqual(groups([], now), []);
});

test('yesterday is the day before, however many hours it had', () => {
  const now = new Date(2026, 2, 30, 12).getTime(); // a day after clocks change in many places
  assert.equal(groups([head('a', new Date(2026, 2, 29, 0, 5).getTime())], now)[0].key, 'yesterday');
});

test('each word of a query is to stand somewhere, whatever its case and however its syllables are typed', () => {
  assert.ok(matches('WARRANTY x200', ['The X200', 'has a warranty']));
  assert.ok(!matches('warranty battery', ['The X200', 'has a warranty']));
  assert.ok(matches('보증', ['보증 기간'.normalize('NFD')]));
  assert.ok(matches('ＡＢＣ', ['abc']));
});

test('the server knows answers that were finished, or stopped after their first words', () => {
  const answer = newAnswer('m', 'q');
  assert.ok(isKnown({ ...answer, phase: 'done' }));
  assert.ok(isKnown({ ...answer, phase: 'stopped', text: 'a' }));
  for (const phase of ['waiting', 'streaming', 'failed']) assert.ok(!isKnown({ ...answer, phase, text: 'a' }), phase);
  assert.ok(!isKnown({ ...answer, phase: 'stopped' }));
});

test('an answer that cannot go on is shown as interrupted, one that ended as it was', () => {
  assert.equal(settled({ ...newAnswer('m', 'q'), phase: 'streaming' }).phase, 'interrupted');
  const done = { ...newAnswer('m', 'q'), phase: 'done' };
  assert.equal(settled(done), done);
});

test('the server has the last word on an answer that was cut', () => {
  const cut = { ...newAnswer('m', 'q'), phase: 'interrupted', text: 'The ans', held: { 5: 'x' } };
  const whole = told(cut, { answer: 'The answer.', sources: [{ title: 't' }] });
  assert.deepEqual([whole.phase, whole.text, whole.sources, whole.held], ['done', 'The answer.', [{ title: 't' }], {}]);
});
