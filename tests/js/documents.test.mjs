import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { dropped, ending, sift } from '../../web/static/files.js';
import { bytes, when } from '../../web/static/format.js';
import { setLang } from '../../web/static/i18n.js';
import { address, isBare, read, split } from '../../web/static/library.js';
import { inWords, pick } from '../../web/static/progress.js';

beforeEach(() => setLang('en'));

const SUPPORTED = new Set(['.md', '.pdf']);
const found = (...names) => names.map((name) => ({ file: new File(['x'], name), name }));

test('of folders what is hidden or of no use is left out and counted, what was given by itself stays', () => {
  const names = ['a.md', 'x.exe', '.env', 'f/b.PDF', 'f/c.exe', 'f/Makefile', 'f/.git/d.md', 'f/~$e.md', '.cache/'];
  const sifted = sift(found(...names), SUPPORTED);
  assert.deepEqual(sifted.taken.map(({ name }) => name), ['a.md', 'x.exe', '.env', 'f/b.PDF']);
  assert.deepEqual([sifted.hidden, sifted.unsupported, sifted.endings], [3, 2, ['.exe']]);
});

test('an ending is of the name, not of a folder', () => {
  for (const [name, expected] of [['a.b/c', ''], ['.md', ''], ['x/보고서.MD', '.md'], ['a.tar.gz', '.gz']]) {
    assert.equal(ending(name), expected);
  }
});

/** What browsers give for a dropped folder: readers that hand out a few entries at a time. */
const entry = (fullPath, inside) => ({
  name: fullPath.split('/').at(-1),
  fullPath,
  isFile: !inside,
  file: (done, failed) => (fullPath.includes('locked') ? failed(new Error()) : done(new File(['x'], 'x'))),
  createReader() {
    const parts = [inside.slice(0, 2), inside.slice(2), []];
    return { readEntries: (done) => done(parts.shift() ?? []) };
  },
});

test('a dropped folder is read to its end, with paths, and hidden folders are not entered', async () => {
  const hidden = entry('/docs/.git', []);
  hidden.createReader = () => assert.fail();
  const folder = entry('/docs', [
    entry('/docs/1.md'),
    entry('/docs/하위', [entry('/docs/하위/2.md')]),
    entry('/docs/3.md'),
    entry('/docs/locked.md'),
    hidden,
  ]);
  const items = [folder, entry('/4.md')].map((each) => ({ webkitGetAsEntry: () => each }));
  const all = await dropped({ items, files: [] });
  assert.deepEqual(all.map(({ name }) => name), ['.git/', '4.md', 'docs/1.md', 'docs/3.md', 'docs/locked.md', 'docs/하위/2.md']);
  assert.equal(all[4].file, null);
  assert.equal(sift(all, SUPPORTED).hidden, 1);
});

test('where a browser gives no entries the files are taken', async () => {
  const all = await dropped({ items: [{}], files: [new File(['x'], 'a.md')] });
  assert.deepEqual(all.map(({ name }) => name), ['a.md']);
});

test('sizes and times are written as people read them', () => {
  assert.deepEqual([0, 1023, 1536, 10 << 20].map((n) => bytes(n, 'en')), ['0 B', '1,023 B', '1.5 KB', '10 MB']);
  const now = new Date('2026-03-05T12:00:00');
  assert.match(when('2026-03-05T08:30:00', 'en', now), /8:30/);
  assert.match(when('2025-12-31T08:30:00', 'ko', now), /2025/);
  assert.equal(when(null, 'en', now), '');
  assert.equal(when('bad', 'en', now), '');
});

test('a page of the list is asked for with query and order', () => {
  assert.equal(address({ page: 2, q: 'a b&c', order: 'size-asc' }), 'documents?page=2&page_size=50&sort=size&order=asc&q=a+b%26c');
  assert.deepEqual(split('a/b/c.md'), ['a/b/', 'c.md']);
  assert.deepEqual(split('c.md'), ['', 'c.md']);
});

test('a refused page is told in the words of the server, else in words of its own', async () => {
  const body = { error_code: 'SEARCH-003', message: 'no', solutions: [] };
  await assert.rejects(read('x', async () => new Response(JSON.stringify(body), { status: 500 })), body);
  await assert.rejects(read('x', async () => new Response('<', { status: 502 })), ({ message }) => message.length > 5);
  await assert.rejects(read('x', () => Promise.reject(new TypeError())), ({ message }) => message.length > 5);
  assert.deepEqual(await read('x', async () => new Response('{"total": 0}')), { total: 0 });
});

test('a library of guides alone holds nothing of the person', () => {
  const guide = { name: 'guides/en/01.md' };
  assert.ok(isBare({ documents: [], total: 0 }));
  assert.ok(isBare({ documents: [guide], total: 1 }));
  assert.ok(!isBare({ documents: [guide, { name: 'mine.md' }], total: 2 }));
  assert.ok(!isBare({ documents: [guide], total: 500 }));
});

test('a thousand files make few rows: what is worked on, what comes next, what was last, and failures', () => {
  const states = { stored: 500, failed: 60, parsing: 4, queued: 136, waiting: 300 };
  let key = 0;
  const items = Object.entries(states).flatMap(([state, n]) => Array.from({ length: n }, () => ({ key: ++key, state })));
  const { rows, failed, more } = pick(items);
  assert.equal(rows.length, 3 + 4 + 2);
  assert.deepEqual(rows.map((row) => row.key), rows.map((row) => row.key).sort((a, b) => a - b));
  assert.equal(failed.length, 50);
  assert.deepEqual(more, { waiting: 434, stored: 500, failed: 10 });
});

test('progress is one short sentence', () => {
  const words = (counts) => inWords({ cancelled: 0, stored: 0, failed: 0, ...counts })[0];
  assert.equal(words({ total: 3, ended: 1 }), 'progress');
  assert.equal(words({ total: 3, ended: 1, failed: 1 }), 'progress_failed');
  assert.equal(words({ total: 3, ended: 3, stored: 3 }), 'progress_done');
  assert.equal(words({ total: 3, ended: 3, failed: 1 }), 'progress_done_failed');
});
