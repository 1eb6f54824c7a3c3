/** How figures are said. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { loadingOf } from '../../web/static/health.js';
import { setLang } from '../../web/static/i18n.js';
import { facts, sayParameters, sayTime } from '../../web/static/stats.js';

const STATS = {
  model: { name: 'Smol', parameters: null, context: null },
  embed_model: { name: 'MiniLM' },
  hardware: { cpu: 'A CPU', cores: 2, memory_bytes: null, gpu: false },
  memory: { process_bytes: null, free_bytes: null },
  queue: { running: 1, waiting: 2 },
  totals: { answers: 3, errors: 0 },
  documents: 4,
  passages: 5,
  uptime_seconds: 60,
};

test('counts and times in the units people use', () => {
  setLang('en');
  assert.deepEqual([sayParameters(134_515_008), sayParameters(7.24e9)], ['135M', '7.2B']);
  assert.deepEqual([sayTime(59), sayTime(3_700), sayTime(90_000)], ['0 min', '1 h 1 min', '1 d 1 h']);
});

test('what the server does not know yet is left out', () => {
  setLang('en');
  const told = Object.fromEntries(facts(STATS));
  assert.equal(told.stats_model, 'Smol');
  assert.ok(!('stats_context' in told || 'stats_memory' in told));
  assert.equal(told.stats_since, '1 min · Answers: 3');
});

test('loading is told with its phase, and how far it is where that is known', () => {
  const model = { model: 'Smol', loading: { phase: 'model', done: 42, total: 100 } };
  assert.deepEqual(loadingOf(model), { key: 'loading_model', values: { done: 42, total: 100, model: 'Smol' }, done: 42, total: 100 });
  assert.equal(loadingOf({ loading: { phase: 'index', done: 0, total: 0 } }).total, 0);
  assert.equal(loadingOf({ loading: { phase: 'new' } }).key, 'loading');
  assert.equal(loadingOf({}).key, 'loading');
});
