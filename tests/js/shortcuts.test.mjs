import assert from 'node:assert/strict';
import { test } from 'node:test';

import { shortcutOf } from '../../web/static/shortcuts.js';

test('a new chat has its keys, with whatever layout', () => {
  const keys = { code: 'KeyO', key: 'ㅐ', shiftKey: true, target: { tagName: 'TEXTAREA' } };
  assert.equal(shortcutOf({ ...keys, ctrlKey: true }), 'new');
  assert.equal(shortcutOf({ ...keys, metaKey: true }), 'new');
  assert.equal(shortcutOf(keys), null);
  assert.equal(shortcutOf({ ...keys, ctrlKey: true, shiftKey: false }), null);
});

test('a slash leads to the question, but where one types it is a slash', () => {
  assert.equal(shortcutOf({ key: '/', target: { tagName: 'BODY' } }), 'question');
  for (const tagName of ['INPUT', 'TEXTAREA', 'SELECT']) assert.equal(shortcutOf({ key: '/', target: { tagName } }), null);
  assert.equal(shortcutOf({ key: '/', target: { tagName: 'DIV', isContentEditable: true } }), null);
});

test('while a syllable is composed, and where others took the key, nothing happens', () => {
  assert.equal(shortcutOf({ key: '/', isComposing: true }), null);
  assert.equal(shortcutOf({ key: '/', defaultPrevented: true }), null);
});
