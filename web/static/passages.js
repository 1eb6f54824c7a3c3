/** What an answer took from a source, and where that stands. Pure but for the reading of the document. */

import { guardedFetch } from './door.js';
import { addressOf } from './links.js';
import { indexAfter } from './points.js';

/** @typedef {import('./client.js').Source} Source */
/** @typedef {[number, number]} Span start and end, end exclusive */

/** Code points shown on each side of a passage. */
const AROUND = 300;
/** A sentence that has less of the terms of a claim is not what the claim was taken from. */
const LEAST_SHARED = 0.4;

/** @param {Source} source */
export const titleOf = (source) => String(source.title || source.metadata?.source || '?');

/**
 * @param {number} score
 * @returns {{percent: number, key: string}} how relevant a source is, as a number and as the key of a text
 */
export function relevance(score) {
  const share = Math.min(1, Math.max(0, Number(score) || 0));
  const key = share >= 0.75 ? 'relevance_high' : share >= 0.4 ? 'relevance_middle' : 'relevance_low';
  return { percent: Math.round(100 * share), key };
}

/** @param {string} text @returns {Span[]} */
export function sentences(text) {
  const found = text.matchAll(/\S[^\n]*?(?:[.!?。！？]+["'”’»)\]]*(?=\s|$)|(?=\n)|$)/g);
  return Array.from(found, (match) => [match.index, match.index + match[0].length]);
}

/** @param {string} text @returns {Set<string>} words; of scripts without spaces between words, pairs of letters */
function terms(text) {
  const found = new Set();
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
    if (!/[\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(word)) found.add(word);
    else for (let at = 0; at + 1 < word.length; at++) found.add(word.slice(at, at + 2));
  }
  return found;
}

/**
 * The sentences of an answer that cite a source: the last one before each `[number]`, in its line.
 * @param {string} answer
 * @param {number} number
 * @returns {string[]}
 */
export function claimsOf(answer, number) {
  const claims = [];
  for (const line of answer.split('\n')) {
    const pieces = line.split(`[${number}]`);
    for (let n = 1; n < pieces.length; n++) {
      const before = pieces.slice(0, n).join(' ').replace(/\[\d{1,3}\]/g, ' ').trimEnd();
      const last = sentences(before).at(-1);
      if (last) claims.push(before.slice(...last));
    }
  }
  return claims;
}

const plain = (text) => text.replace(/\s+/g, ' ').trim();

/**
 * What of a cited source an answer says: all of it where it was quoted as a whole, else the sentences that share most
 * terms with those that cite it.
 * @param {string} content of the source
 * @param {string} answer
 * @param {number} number of the source
 * @returns {Span[]} places in the content, in order; all of it where no sentence stands out
 */
export function citedSpans(content, answer, number) {
  const all = [[0, content.length]];
  if (plain(answer).includes(plain(content))) return all;
  const inside = sentences(content);
  const known = inside.map((span) => terms(content.slice(...span)));
  const chosen = new Set();
  for (const claim of claimsOf(answer, number)) {
    const wanted = terms(claim);
    const shared = known.map((have) => [...wanted].filter((term) => have.has(term)).length / wanted.size);
    const best = Math.max(...shared);
    if (best >= LEAST_SHARED) chosen.add(shared.indexOf(best));
  }
  const spans = inside.filter((_, index) => chosen.has(index));
  return spans.length ? spans : all;
}

/**
 * @param {Source} source
 * @returns {{document: string, start: number, end: number}|null} null where the server did not say
 */
export function placeOf(source) {
  const { document_id: document, start, end } = source.metadata ?? {};
  return document && Number.isInteger(start) && Number.isInteger(end) ? { document: String(document), start, end } : null;
}

/**
 * What stands around a source in its document.
 * @param {Source} source
 * @param {typeof globalThis.fetch} [fetch]
 * @returns {Promise<{state: 'here'|'gone'|'changed'|'unknown', before: string, after: string}>}
 */
export async function inContext(source, fetch = guardedFetch) {
  const nothing = (state) => ({ state, before: '', after: '' });
  const place = placeOf(source);
  if (!place) return nothing('unknown');
  const first = Math.max(0, place.start - AROUND);
  const path = addressOf(place.document, `/text?start=${first}&end=${place.end + AROUND}`);
  try {
    const response = await fetch(path);
    if (!response.ok) return nothing(response.status === 404 ? 'gone' : 'unknown');
    const text = String((await response.json()).text);
    const from = indexAfter(text, place.start - first);
    const to = indexAfter(text, place.end - place.start, from);
    if (text.slice(from, to) !== source.content) return nothing('changed');
    return { state: 'here', before: text.slice(0, from), after: text.slice(to) };
  } catch {
    return nothing('unknown');
  }
}
