import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inContext } from '../../web/static/sources.js';

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

test('a quote is found in its document, counted in code points', async () => {
  const found = await inContext(source, served);
  assert.deepEqual(found, { before: '🙂'.repeat(300), quote: source.content, after: '끝'.repeat(300) });
  assert.match(asked[0], /^documents\/a%2Fb\/text\?start=100&end=712$/);
});

test('at the beginning of a document there is less before it', async () => {
  const first = { content: '🙂', metadata: { ...source.metadata, start: 0, end: 1 } };
  assert.equal((await inContext(first, served)).before, '');
});

test('what is not there any more stays as it is', async () => {
  asked = [];
  assert.equal(await inContext({ ...source, metadata: {} }, served), null);
  assert.equal(asked.length, 0);
  assert.equal(await inContext({ ...source, content: 'other' }, served), null);
  assert.equal(await inContext(source, async () => new Response('', { status: 404 })), null);
  assert.equal(await inContext(source, () => Promise.reject(new TypeError('network'))), null);
});
