import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MOST, Selection, remembered } from '../../web/static/selection.js';

test('a document is chosen and left out again, and each change is told', () => {
  const selection = new Selection();
  let told = 0;
  selection.subscribe(() => told++);
  assert.ok(selection.toggle('a', 'A.md'));
  selection.toggle('b', 'B.md');
  assert.deepEqual(selection.get(), [{ id: 'a', name: 'A.md' }, { id: 'b', name: 'B.md' }]);
  selection.toggle('a', 'A.md');
  assert.deepEqual([selection.idsOf(''), selection.has('a'), selection.has('b'), selection.size], [['b'], false, true, 1]);
  selection.clear();
  selection.clear();
  assert.deepEqual([selection.size, told], [0, 4]);
});

test('no more can be chosen than a message may name', () => {
  const selection = new Selection();
  for (let n = 0; n < MOST; n++) assert.ok(selection.toggle(String(n), ''));
  assert.ok(!selection.toggle('more', ''));
  assert.ok(selection.toggle('0', ''));
  assert.equal(selection.size, MOST - 1);
});

test('the choice belongs to its conversation and is kept', () => {
  let kept = {};
  const selection = new Selection({ old: [{ id: 'o', name: 'O' }] }, (all) => (kept = all));
  selection.show('old');
  assert.deepEqual([selection.size, selection.idsOf('old')], [1, ['o']]);
  selection.show('new');
  assert.deepEqual([selection.size, selection.idsOf('new'), selection.idsOf('old')], [0, [], ['o']]);
  selection.toggle('n', 'N');
  assert.deepEqual(kept, { old: [{ id: 'o', name: 'O' }], new: [{ id: 'n', name: 'N' }] });
  selection.show('old');
  selection.clear();
  assert.deepEqual(Object.keys(kept), ['new']);
});

test('the choices of conversations long past are forgotten', () => {
  let kept = {};
  const selection = new Selection({}, (all) => (kept = all));
  for (let n = 0; n < 60; n++) {
    selection.show(`s${n}`);
    selection.toggle('d', 'D');
  }
  assert.equal(Object.keys(kept).length, 50);
  assert.ok('s59' in kept && !('s9' in kept));
});

test('what was kept may be damaged', () => {
  for (const text of [null, '{', 'null', '[]', '7', '{"s": 7}']) assert.deepEqual(remembered(text), {});
  assert.deepEqual(remembered('{"s": []}'), { s: [] });
});
