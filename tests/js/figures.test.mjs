/** What the end of an answer tells about its speed. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { figuresOf } from '../../web/static/figures.js';

const keys = (...end) => figuresOf(...end).map(({ key }) => key);

test('time, speed and first word', () => {
  assert.deepEqual(figuresOf({ ms: 12_300, tokens: 541, first: 300 }), [
    { key: 'seconds', values: { seconds: '12.3' } },
    { key: 'rate', values: { rate: '45' } },
    { key: 'first_word', values: { seconds: '0.3' } },
  ]);
  assert.equal(figuresOf({ ms: 12, tokens: 0, first: 9 })[1].values.seconds, '0.01');
});

test('a quotation has no speed, and neither have thoughts', () => {
  assert.deepEqual(keys({ ms: 320, tokens: 12, first: 300 }), ['seconds', 'first_word']);
  assert.deepEqual(keys({ ms: 5000, tokens: 2, first: 300 }), ['seconds', 'first_word']);
  assert.deepEqual(keys({ ms: 5000, tokens: 200, first: 300 }, true), ['seconds', 'first_word']);
});

test('what is not known is not told', () => {
  assert.deepEqual(keys({ ms: 1000, tokens: 0, first: null }), ['seconds']);
  assert.deepEqual(keys(null), []);
  assert.deepEqual(keys({ tokens: 5 }), []);
});
