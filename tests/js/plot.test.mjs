/** The numbers behind a plot. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { lines, span, summary, ticks } from '../../web/static/plot.js';

test('least, median, most and last', () => {
  assert.equal(summary([]), null);
  assert.deepEqual(summary([3, 1, 2]), { min: 1, median: 2, max: 3, last: 2 });
  assert.deepEqual(summary([4, 1, 2, 3]), { min: 1, median: 2.5, max: 4, last: 3 });
  assert.deepEqual(summary([10, 9]), { min: 9, median: 9.5, max: 10, last: 9 });
});

test('an axis has a few round marks from 0 and holds the largest value', () => {
  for (const most of [0.004, 0.7, 1, 3, 7.3, 42, 99, 100, 101, 12345, 3e9]) {
    const marks = ticks(most);
    assert.equal(marks[0], 0);
    assert.ok(marks.at(-1) >= most && marks.at(-1) <= 2.5 * most, `${most}: ${marks}`);
    assert.ok(marks.length >= 3 && marks.length <= 4, `${most}: ${marks}`);
  }
  assert.deepEqual(ticks(0), [0, 1]);
  assert.deepEqual(ticks(NaN), [0, 1]);
});

test('a plot goes as far back as its points', () => {
  assert.equal(span([], 1000), 5);
  assert.equal(span([[0, 1]], 60 * 12), 15);
  assert.equal(span([[0, 1]], 60 * 59), 60);
});

test('lines lie inside the plot, run from left to right and break at a pause', () => {
  const now = 3600;
  const points = [[now - 300, 0], [now - 290, 5], [now - 100, 10], [now, 2]];
  const frame = { minutes: 5, most: 10 };
  const found = lines(points, now, frame);
  assert.deepEqual(found.map((line) => line.length), [2, 2]);
  const [first, , top, last] = found.flat();
  assert.ok(first[0] < last[0]);
  assert.ok(first[1] > top[1]);
  for (const [x, y] of found.flat()) assert.ok(x >= 0 && x <= 360 && y >= 0 && y <= 120);
  assert.equal(lines(points, now, { ...frame, apart: true }).length, 4);
  assert.deepEqual(lines([], now, frame), []);
});
