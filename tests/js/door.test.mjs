/** When the page goes to the login. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isShut } from '../../web/static/door.js';

test('the page is shut out where a key is needed and the server told a stranger', () => {
  assert.ok(isShut({ status: 'ok', version: '1', key_required: true }));
  assert.ok(!isShut({ status: 'ok', version: '1', key_required: true, model: '' }));
  assert.ok(!isShut({ status: 'ok', version: '1', key_required: false, model: 'm' }));
  assert.ok(!isShut({ status: 'loading' }));
  assert.ok(!isShut(null));
});
