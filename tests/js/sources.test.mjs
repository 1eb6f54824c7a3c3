import assert from 'node:assert/strict';
import { test } from 'node:test';

import { citedSpans, claimsOf, inContext, placeOf, relevance } from '../../web/static/passages.js';
import { indexAfter, pointsIn } from '../../web/static/points.js';

const text = `${'🙂'.repeat(400)}보증은 24개월입니다.${'끝'.repeat(400)}`;
const source = {
  title: 't',
  content: '보증은 24개월입니다.',
  metadata: { source: 's', chunk_id: '1', document_id: 'a/b', start: 400, end: 412 },
};
let asked = [];

async function served(url) {
  asked.push(url);
  const { searchParams } = new URL(url, 'http://host/');
  const part = [...text].slice(Number(searchParams.get('start')), Number(searchParams.get('end'))).join('');
  return new Response(JSON.stringify({ text: part }));
}

test('a passage is found in its document, counted in code points', async () => {
  const found = await inContext(source, served);
  assert.deepEqual(found, { state: 'here', before: '🙂'.repeat(300), after: '끝'.repeat(300) });
  assert.match(asked[0], /^documents\/a%2Fb\/text\?start=100&end=712$/);
});

test('at the beginning of a document there is less before it', async () => {
  const first = { content: '🙂', metadata: { ...source.metadata, start: 0, end: 1 } };
  assert.equal((await inContext(first, served)).before, '');
});

test('a document that is gone, or has changed, is told from one that cannot be read', async () => {
  asked = [];
  const state = async (one, fetch) => (await inContext(one, fetch)).state;
  assert.equal(await state({ ...source, metadata: {} }, served), 'unknown');
  assert.equal(asked.length, 0);
  assert.equal(await state({ ...source, content: 'other' }, served), 'changed');
  assert.equal(await state(source, async () => new Response('', { status: 404 })), 'gone');
  assert.equal(await state(source, async () => new Response('', { status: 503 })), 'unknown');
  assert.equal(await state(source, () => Promise.reject(new TypeError('network'))), 'unknown');
});

test('code points and indexes are counted into each other', () => {
  for (const one of ['', 'abc', '가🙂b🙂', '🙂']) {
    assert.equal(pointsIn(one), [...one].length);
    for (let n = 0; n <= [...one].length; n++) assert.equal(indexAfter(one, n), [...one].slice(0, n).join('').length);
  }
  assert.equal(indexAfter('ab', 9), 2);
  assert.equal(indexAfter('🙂a🙂b', 2, 2), 5);
});

const marked = (content, answer, number = 1) => citedSpans(content, answer, number).map((span) => content.slice(...span));

test('a source that is quoted as a whole is marked as a whole, whatever its line breaks', () => {
  assert.deepEqual(marked('보증은\n24개월입니다.', '**24개월** [1]\n\n“보증은 24개월입니다.” [1]'), ['보증은\n24개월입니다.']);
});

test('of a longer source, the sentences that the answer says are marked', () => {
  const content = 'The X200 has a glass door. Its warranty lasts 24 months. It weighs 3.5 kg. Parts are free for two years.';
  assert.deepEqual(marked(content, 'The warranty of the X200 lasts 24 months [2][1]. It is blue [2].'), ['Its warranty lasts 24 months.']);
  assert.deepEqual(marked(content, 'It weighs 3.5 kg. [1] Parts: free for two years [1]'), [
    'It weighs 3.5 kg.',
    'Parts are free for two years.',
  ]);
});

test('Korean endings do not hide which sentence was meant', () => {
  const content = '세탁기는 드럼식입니다. 배터리는 구입일부터 24개월 동안 보증합니다. 문의는 고객센터로 하세요.';
  assert.deepEqual(marked(content, '배터리의 보증 기간은 구입일로부터 24개월입니다 [1].'), ['배터리는 구입일부터 24개월 동안 보증합니다.']);
});

test('where no sentence stands out, all of the source is marked', () => {
  const content = 'One thing. Another thing.';
  assert.deepEqual(marked(content, 'Nothing alike [1].'), [content]);
});

test('a claim is the sentence before its citation, in its line', () => {
  assert.deepEqual(claimsOf('First. Second one [2]. Third [1].\nFourth.[1] Fifth [1]', 1), ['Third', 'Fourth.', 'Fifth']);
  assert.deepEqual(claimsOf('[1] at the beginning', 1), []);
});

test('relevance is a number from 0 to 100, and a word', () => {
  assert.deepEqual(relevance(0.874), { percent: 87, key: 'relevance_high' });
  assert.deepEqual(relevance(7), { percent: 100, key: 'relevance_high' });
  assert.deepEqual(relevance(0.5), { percent: 50, key: 'relevance_middle' });
  assert.deepEqual(relevance('x'), { percent: 0, key: 'relevance_low' });
});

test('a source without a place opens no document', () => {
  assert.deepEqual(placeOf(source), { document: 'a/b', start: 400, end: 412 });
  assert.equal(placeOf({ metadata: { document_id: 'a', start: 1 } }), null);
  assert.equal(placeOf({}), null);
});
