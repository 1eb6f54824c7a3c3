/** The state of one answer, as `client.js` makes it from events. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FramePainter, hasEnded, interrupt, newAnswer, reduce } from '../../web/static/client.js';

const start = { type: 'stream_start' };
const thinking = (text) => ({ type: 'stream_thinking', text });
const token = (index, text) => ({ type: 'stream_token', index, token: text });
const sources = { type: 'stream_sources', sources: [{ title: 't', content: 'c', score: 0.9, metadata: { source: 's', chunk_id: '1' } }] };
const end = { type: 'stream_end', total_tokens: 2, processing_time_ms: 40 };
const error = { type: 'stream_error', error_code: 'GEN-001', message: 'slow', solutions: ['wait'] };

const after = (...events) => events.reduce(reduce, newAnswer('m', 'q'));

test('the events in order make an answer', () => {
  const phases = [];
  let answer = newAnswer('m', 'q');
  for (const event of [start, token(0, '안'), token(1, '녕'), sources, end]) {
    answer = reduce(answer, event);
    phases.push(answer.phase);
  }
  assert.deepEqual(phases, ['waiting', 'streaming', 'streaming', 'streaming', 'done']);
  assert.equal(answer.text, '안녕');
  assert.equal(answer.sources.length, 1);
  assert.deepEqual(answer.end, { tokens: 2, ms: 40, first: null, reason: 'stop', grounded: null });
});

test('sources may come before the first token', () => {
  const answer = after(start, sources);
  assert.equal(answer.phase, 'waiting');
  assert.equal(after(start, sources, token(0, 'a'), end).sources.length, 1);
});

test('thinking is joined apart from the answer, which has not begun with it', () => {
  const answer = after(start, thinking('Let me '), thinking('see.'));
  assert.deepEqual([answer.phase, answer.thinking, answer.text], ['waiting', 'Let me see.', '']);
  const ended = after(start, thinking('hm'), token(0, 'a'), sources, end);
  assert.deepEqual([ended.thinking, ended.text], ['hm', 'a']);
  assert.equal(after(start, token(0, 'a'), sources, end).thinking, '');
});

test('thinking of the wrong form is ignored', () => {
  assert.equal(after(start, thinking(7), thinking(undefined)).thinking, '');
});

test('the reducer leaves its argument alone', () => {
  const before = Object.freeze(after(start, token(0, 'a')));
  assert.equal(reduce(before, token(1, 'b')).text, 'ab');
  assert.equal(before.text, 'a');
});

test('a token index counts once', () => {
  assert.equal(after(start, token(0, 'a'), token(0, 'a'), token(1, 'b'), token(0, 'a')).text, 'ab');
});

test('tokens are joined by index, whatever the order they came in', () => {
  const answer = after(start, token(1, 'b'), token(2, 'c'));
  assert.equal(answer.text, '');
  assert.equal(reduce(answer, token(0, 'a')).text, 'abc');
});

test('a gap that is never filled does not swallow what came after it', () => {
  assert.equal(after(start, token(0, 'a'), token(2, 'c'), end).text, 'ac');
});

test('tokens of the wrong form are ignored', () => {
  assert.equal(after(start, token('0', 'a'), token(0, null), token(-1, 'x'), token(0.5, 'y')).text, '');
});

test('an error without a start fails the answer', () => {
  const answer = after(error);
  assert.equal(answer.phase, 'failed');
  assert.deepEqual(answer.error, { code: 'GEN-001', message: 'slow', solutions: ['wait'] });
});

test('an error in the middle keeps the text', () => {
  const answer = after(start, token(0, 'a'), error);
  assert.equal(answer.phase, 'failed');
  assert.equal(answer.text, 'a');
});

test('an error body with parts missing still fails the answer', () => {
  assert.deepEqual(after({ type: 'stream_error' }).error, { code: '', message: '', solutions: [] });
});

test('a cancelled answer is stopped, not done', () => {
  assert.equal(after(start, token(0, 'a'), sources, { ...end, finish_reason: 'cancelled' }).phase, 'stopped');
});

test('a lost connection interrupts what runs and leaves what has ended', () => {
  const running = interrupt(after(start, token(0, 'a'), token(2, 'c')));
  assert.equal(running.phase, 'interrupted');
  assert.equal(running.text, 'ac');
  assert.equal(interrupt(after(start, token(0, 'a'), end)).phase, 'done');
});

test('an answer that is told again from any token on has each token once', () => {
  const told = ['a', 'b', 'c', 'd'].map((text, index) => token(index, text));
  for (let received = 0; received <= told.length; received++) {
    const before = after(start, sources, thinking('Let me '), ...told.slice(0, received));
    for (let from = 0; from <= before.next; from++) {
      const again = [start, sources, thinking('Let me '), thinking('see.'), ...told.slice(from), end].reduce(reduce, before);
      assert.deepEqual([again.text, again.thinking, again.phase], ['abcd', 'Let me see.', 'done']);
    }
  }
});

test('an answer that the server keeps no more is interrupted, with what was received', () => {
  const gone = reduce(after(start, token(0, 'a')), { ...error, error_code: 'SESSION-003' });
  assert.deepEqual([gone.phase, gone.text, gone.error], ['interrupted', 'a', null]);
});

test('nothing changes an answer that has ended', () => {
  for (const ended of [after(start, end), after(error), interrupt(after(start))]) {
    assert.ok(hasEnded(ended));
    for (const event of [start, token(0, 'x'), sources, end, error]) assert.equal(reduce(ended, event), ended);
  }
});

test('unknown events are ignored', () => {
  const answer = after(start);
  assert.equal(reduce(answer, { type: 'stream_later_version' }), answer);
});

test('how far an answer is supported comes with its end, if it comes in the right form', () => {
  const grounded = (value) => reduce(newAnswer('m', 'q'), { ...end, grounded: value }).end.grounded;
  const found = { supported: 1, total: 2, unsupported: [[0, 5]] };
  assert.deepEqual(grounded(found), found);
  assert.equal(grounded(undefined), null);
  assert.equal(grounded({ ...found, total: 0 }), null);
  assert.equal(grounded({ ...found, unsupported: 'all' }), null);
  assert.deepEqual(grounded({ ...found, unsupported: [['0', 5], 7] }).unsupported, []);
});

test('what was touched many times is painted once a frame', () => {
  const frames = [];
  const painted = [];
  const painter = new FramePainter((items) => painted.push(items), (run) => frames.push(run));
  for (const item of ['a', 'b', 'a', 'a']) painter.touch(item);
  assert.equal(frames.length, 1);
  frames.pop()();
  assert.deepEqual(painted, [['a', 'b']]);
  painter.touch('a');
  frames.pop()();
  assert.deepEqual(painted, [['a', 'b'], ['a']]);
});

test('tokens are counted as the model said them, whatever one event carries', () => {
  const counted = { ...end, usage: { completion_tokens: 273 } };
  assert.equal(after(start, token(0, 'a'), sources, counted).end.tokens, 273);
  assert.equal(after(start, token(0, 'a'), sources, end).end.tokens, 2);
});
