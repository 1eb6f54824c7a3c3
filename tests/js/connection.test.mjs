import assert from 'node:assert/strict';
import { test } from 'node:test';

import { statusOf } from '../../web/static/connection.js';
import texts from '../../web/static/texts/page.js';

test('every state has words in both languages', () => {
  for (const state of ['open', 'connecting', 'closed']) {
    for (const isOnline of [true, false]) {
      const { key } = statusOf(state, isOnline, 0);
      assert.ok(texts[key].ko && texts[key].en, key);
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
