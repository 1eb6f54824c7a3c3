import assert from 'node:assert/strict';
import { test } from 'node:test';

import { statusOf } from '../../web/static/connection.js';
import texts from '../../web/static/texts/page.js';

test('every state has words in both languages', () => {
  for (const state of ['open', 'connecting', 'closed']) {
    for (const isOnline of [true, false]) {
      for (const isRestarting of [true, false]) {
        const { key } = statusOf(state, isOnline, 0, isRestarting);
        assert.ok(texts[key].ko && texts[key].en, key);
      }
    }
  }
});

test('a lost connection says when it is tried again, in whole seconds', () => {
  assert.deepEqual(statusOf('closed', true, 4_001), { key: 'status_closed', seconds: 5 });
  assert.deepEqual(statusOf('closed', true, 1), { key: 'status_closed', seconds: 1 });
  assert.deepEqual(statusOf('closed', true, -20), { key: 'status_closed', seconds: 0 });
});

test('without a network a server on this machine may still be connected', () => {
  assert.equal(statusOf('closed', false, 0).key, 'status_offline');
  assert.equal(statusOf('open', false, 0).key, 'status_open');
});

test('a server that said that it goes is said to restart until it is back', () => {
  assert.deepEqual(statusOf('closed', true, 2_000, true), { key: 'status_restarting', seconds: 2 });
  assert.equal(statusOf('connecting', true, 0, true).key, 'status_connecting');
});
