/** Conversations for tests of what is kept. */

import { newAnswer } from '../../web/static/client.js';

export const source = (more = {}) => ({
  title: 'Guide *of* [X]',
  content: 'first line\nsecond line',
  score: 0.5,
  metadata: { source: 'a/b.pdf', chunk_id: 'c', document_id: 'd', page: 3, start: 10, end: 32, cited: true },
  ...more,
});

/** A turn whose answer is done. */
export const kept = (talk, id, at, question, text = 'An answer.', more = {}) => ({
  talk,
  id,
  at,
  tab: 'tab',
  sent: true,
  anew: false,
  replaces: '',
  instead: [],
  answer: { ...newAnswer(`m-${id}`, question), phase: 'done', text, sources: [source()] },
  ...more,
});

export const head = (id, updated, title = id) => ({ id, title, created: updated, updated });
