import assert from 'node:assert/strict';
import { test } from 'node:test';

import { firstFrom } from '../../web/static/finder.js';
import { addressOf, hashOf, originalOf, placeIn } from '../../web/static/links.js';
import { MOST, PART, TextWindow, atLines, runsOf } from '../../web/static/textwindow.js';

/** Serves a text as the server does, in code points. */
function server(text, pages = []) {
  const points = [...text];
  return async (start, end) => {
    const from = Math.min(start, points.length);
    const to = Math.max(from, Math.min(end, points.length));
    return {
      start: from,
      end: to,
      text: points.slice(from, to).join(''),
      total: points.length,
      pages: pages.filter((page) => page.start < to && page.end > from),
    };
  };
}

const line = (n) => `${n} 🙂 한국어 ${'x'.repeat(n % 90)}\n`;
const book = Array.from({ length: 12_000 }, (_, n) => line(n)).join('');
const bookPoints = [...book];

/** Every part stands where it says it does, and begins where the one before it ends. */
function holdTogether(window) {
  window.parts.forEach((part, n) => {
    assert.equal(part.text, bookPoints.slice(part.start, part.end).join(''));
    if (n) assert.equal(part.start, window.parts[n - 1].end);
  });
}

test('a text is read from its middle to both ends in parts of whole lines, and few are kept', async () => {
  assert.ok(bookPoints.length > 8 * PART);
  const window = new TextWindow(server(book));
  const place = bookPoints.length >> 1;
  assert.ok(await window.around(place, place + 20));
  assert.ok(window.holds(place, place + 20));
  holdTogether(window);
  while (await window.before()) {
    holdTogether(window);
    assert.ok(window.parts.length <= MOST);
    assert.equal(bookPoints[window.start - 1] ?? '\n', '\n');
  }
  assert.equal(window.start, 0);
  while (await window.after()) {
    holdTogether(window);
    assert.ok(window.parts.length <= MOST);
    assert.ok(window.end === window.total || bookPoints[window.end - 1] === '\n');
  }
  assert.equal(window.end, bookPoints.length);
  assert.ok(window.start > 0, 'the far parts are let go');
});

test('a text of one line is cut all the same', async () => {
  const window = new TextWindow(server('🙂'.repeat(3 * PART)));
  await window.around(0, 0);
  while (await window.after());
  assert.equal(window.end, 3 * PART);
  assert.ok(window.parts.every(({ text, start, end }) => [...text].length === end - start && text.isWellFormed?.() !== false));
});

test('a place is never cut off by the lines around it', async () => {
  const text = `${'a'.repeat(PART)}\n${'b'.repeat(PART)}\n${'c'.repeat(PART)}`;
  for (const start of [0, PART - 3, PART, PART + 1, 2 * PART, 3 * PART]) {
    const window = new TextWindow(server(text));
    await window.around(start, start + 10);
    assert.ok(window.start <= start && window.end >= Math.min(start + 10, window.total), String(start));
  }
});

test('the end of a text, what is beyond it, and an empty text can be opened', async () => {
  const window = new TextWindow(server('short'));
  await window.around(900, 950);
  assert.equal(window.end, 5);
  const empty = new TextWindow(server(''));
  await empty.around(0, 0);
  assert.deepEqual([empty.parts[0].text, await empty.before(), await empty.after()], ['', false, false]);
});

test('of two jumps the later one wins, and a part asked for before it is let go', async () => {
  const answers = [];
  const read = server(book);
  const window = new TextWindow((start, end) => new Promise((resolve) => answers.push(() => resolve(read(start, end)))));
  const first = window.around(0, 10);
  answers.shift()();
  assert.ok(await first);
  const late = window.after();
  const jump = window.around(300_000, 300_010);
  answers[1]();
  assert.ok(await jump);
  answers[0]();
  assert.equal(await late, false);
  assert.ok(window.holds(300_000, 300_010));
  assert.equal(window.parts.length, 1);
});

test('a part that cannot be read is asked for again', async () => {
  let fails = false;
  const read = server(book);
  const window = new TextWindow((start, end) => (fails ? Promise.reject(new Error('network')) : read(start, end)));
  await window.around(0, 0);
  fails = true;
  await assert.rejects(window.after());
  fails = false;
  assert.ok(await window.after());
});

const part = { start: 10, end: 20, text: '🙂23456789🙂', total: 40, pages: [] };

test('marks are split where they overlap, and at the borders of a part', () => {
  const marks = [
    { start: 5, end: 13, kind: 'quote' },
    { start: 12, end: 14, kind: 'match' },
    { start: 19, end: 30, kind: 'match' },
    { start: 20, end: 25, kind: 'match' },
  ];
  assert.deepEqual(runsOf(part, marks), [
    { text: '🙂2', kinds: ['quote'], at: 5, page: null },
    { text: '3', kinds: ['quote', 'match'], at: 12, page: null },
    { text: '4', kinds: ['match'], at: 12, page: null },
    { text: '56789', kinds: [], at: 14, page: null },
    { text: '🙂', kinds: ['match'], at: 19, page: null },
  ]);
  const next = { start: 20, end: 30, text: 'abcdefghij', total: 40, pages: [] };
  assert.deepEqual(runsOf(next, marks.slice(2, 3)), [{ text: 'abcdefghij', kinds: ['match'], at: 19, page: null }]);
});

test('a page is named where it begins, also inside a mark, and not where only its rest is shown', () => {
  const pages = [
    { number: 1, start: 0, end: 12 },
    { number: 2, start: 12, end: 20 },
  ];
  const runs = runsOf({ ...part, pages }, [{ start: 10, end: 14, kind: 'quote' }]);
  assert.deepEqual(runs.map(({ text, page }) => [text, page]), [['🙂2', null], ['34', 2], ['56789🙂', null]]);
  assert.deepEqual(runs[1].kinds, ['quote']);
  const begin = runsOf({ ...part, pages: [{ number: 7, start: 10, end: 20 }] }, []);
  assert.deepEqual(begin, [{ text: part.text, kinds: [], at: 10, page: 7 }]);
});

test('the runs of a part are its text, whatever the marks', () => {
  for (let n = 0; n < 300; n++) {
    const random = (most) => Math.floor(Math.random() * most);
    const marks = Array.from({ length: random(6) }, () => {
      const start = random(30);
      return { start, end: start + 1 + random(12), kind: random(2) ? 'quote' : 'match' };
    });
    assert.equal(runsOf(part, marks).map(({ text }) => text).join(''), part.text);
  }
});

test('a part keeps what it may not cut', () => {
  const whole = { start: 5, end: 16, text: 'ab\ncd\nef\ngh', total: 100, pages: [{ number: 1, start: 0, end: 7 }] };
  const cut = atLines(whole, 5, 6);
  assert.deepEqual([cut.start, cut.end, cut.text, cut.pages], [8, 14, 'cd\nef\n', []]);
  assert.equal(atLines(whole, 2, 6).text, 'ab\ncd\nef\n');
  assert.equal(atLines(whole, 5, 9).text, 'cd\nef\ngh');
  assert.equal(atLines({ ...whole, start: 0, end: 11, total: 11 }, 5, 6).text, whole.text);
});

test('a link to a place is read as it was written', () => {
  for (const place of [{ document: 'a/b &#=1', start: 0, end: 5 }, { document: '한글', page: 3 }, { document: 'x' }]) {
    const { document, start, end, page } = place;
    assert.deepEqual(placeIn(hashOf(place)), { document, start, end, page });
  }
});

test('other and bad addresses name no place', () => {
  assert.equal(placeIn(''), null);
  assert.equal(placeIn('#c=1&start=2'), null);
  assert.equal(placeIn('#document='), null);
  assert.deepEqual(placeIn('#document=x&start=-1&end=1e9&page=2.5'), { document: 'x', start: undefined, end: undefined, page: undefined });
  assert.deepEqual(placeIn('#document=x&start=9&end=2'), { document: 'x', start: 9, end: 9, page: undefined });
});

test('an id cannot leave its place in an address', () => {
  assert.equal(addressOf('../../x?y#z', '/text'), 'documents/..%2F..%2Fx%3Fy%23z/text');
  assert.equal(originalOf('a', 3), 'documents/a/original?inline=1#page=3');
  assert.equal(originalOf('a'), 'documents/a/original?inline=1');
});

test('a search goes on from where one reads', () => {
  const places = [3, 8, 20].map((start) => ({ start, end: start + 1 }));
  assert.equal(firstFrom(places, 5), 1);
  assert.equal(firstFrom(places, 8), 1);
  assert.equal(firstFrom(places, 21), 0);
  assert.equal(firstFrom([], 5), -1);
});
