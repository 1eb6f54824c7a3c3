/** How the person wants the page and the answers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NONE, keptOf, optionsOf, readPreferences, wordOf } from '../../web/static/preferences.js';

const read = (kept) => readPreferences((key) => kept[key] ?? null);

test('nothing kept is no choice, and sends no options', () => {
  assert.deepEqual(read({}), { ...NONE });
  assert.equal(optionsOf(NONE), undefined);
});

test('what was kept comes back as it was', () => {
  const chosen = { lang: 'en', theme: 'dark', answers: 'free', temperature: 0, sources: 7, figures: true };
  assert.deepEqual(read(keptOf(chosen)), chosen);
  assert.deepEqual(read(keptOf(NONE)), { ...NONE });
});

test('what another hand has kept is left out', () => {
  const spoilt = { lang: 'fr', theme: 'pink', answers: 'auto', temperature: '9', sources: '0', figures: 'yes' };
  assert.deepEqual(read(spoilt), { ...NONE });
  assert.deepEqual(read({ temperature: 'x', sources: '4.6' }), { ...NONE, sources: 5 });
  assert.equal(read({ temperature: '' }).temperature, null);
});

test('only what was chosen goes with a message', () => {
  assert.deepEqual(optionsOf({ ...NONE, temperature: 0 }), { temperature: 0 });
  assert.deepEqual(optionsOf({ ...NONE, answers: 'quote', sources: 3 }, ['a']), { answers: 'quote', sources: 3, documents: ['a'] });
});

test('a temperature has a word, from exact to varied', () => {
  assert.deepEqual([0, 0.1, 0.5, 0.9, 1, 1.5].map(wordOf).map((key) => key.split('_')[1]), [
    'exact', 'steady', 'lively', 'lively', 'varied', 'varied',
  ]);
});
