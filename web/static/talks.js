/** What is kept of a conversation, and what its list shows of it. Pure. */

import { hasEnded, interrupt } from './client.js';

/** @typedef {import('./client.js').Answer} Answer */

/**
 * What the list knows of a conversation.
 * @typedef {object} Head
 * @property {string} id the server's id of the session
 * @property {string} title the first question, cut, or the name that a person gave
 * @property {number} created milliseconds
 * @property {number} updated when something was last asked in it, milliseconds
 * @property {number} [deleted] when a person deleted it; it can be brought back until it is really removed
 */

/**
 * One question with its answer, as it is kept.
 * @typedef {object} Kept
 * @property {string} talk the conversation's id
 * @property {string} id
 * @property {number} at when it was asked first, milliseconds; this orders the turns
 * @property {string} tab the tab that asks it
 * @property {boolean} sent whether the server has had the question
 * @property {boolean} anew whether the server had forgotten what stands before it
 * @property {string} replaces id of the server's message in whose place it is asked, or ''
 * @property {Kept[]} instead the turns it takes the place of, until its answer has ended well
 * @property {Answer} answer
 */

const MAX_TITLE = 60;

/** @param {string} question @returns {string} a line that names the conversation */
export function titleOf(question) {
  const line = question.trim().replace(/\s+/g, ' ');
  const points = [...line];
  if (points.length <= MAX_TITLE) return line;
  const cut = points.slice(0, MAX_TITLE).join('');
  const space = cut.lastIndexOf(' ');
  return `${(space > MAX_TITLE / 2 ? cut.slice(0, space) : cut).trimEnd()}…`;
}

/**
 * What the list shows, the latest first, by the day on which something was last asked.
 * @param {Head[]} heads
 * @param {number} now
 * @returns {{key: 'today'|'yesterday'|'older', heads: Head[]}[]} without empty groups
 */
export function groups(heads, now) {
  const today = new Date(now).setHours(0, 0, 0, 0);
  const yesterday = new Date(today - 1).setHours(0, 0, 0, 0);
  const group = ({ updated }) => (updated >= today ? 'today' : updated >= yesterday ? 'yesterday' : 'older');
  const sorted = [...heads].sort((a, b) => b.updated - a.updated || (a.id < b.id ? -1 : 1));
  return ['today', 'yesterday', 'older']
    .map((key) => ({ key, heads: sorted.filter((head) => group(head) === key) }))
    .filter((found) => found.heads.length);
}

/** The same letters however they were typed: Korean syllables may come in parts. @param {string} text */
const folded = (text) => text.normalize('NFKC').toLowerCase();

/**
 * Whether each word of the query stands in one of the texts.
 * @param {string} query
 * @param {string[]} texts
 */
export function matches(query, texts) {
  const all = folded(texts.join('\n'));
  return folded(query)
    .split(/\s+/)
    .every((word) => all.includes(word));
}

/** Whether the server keeps this answer as a turn of its own. @param {Answer} answer */
export const isKnown = ({ phase, text }) => phase === 'done' || (Boolean(text) && (phase === 'stopped' || phase === 'interrupted'));

/** @param {Answer} answer @returns {Answer} as it is shown where it cannot go on */
export const settled = (answer) => (hasEnded(answer) ? answer : interrupt(answer));

/** The turn as the server tells it, which is the last word. @param {Answer} answer @param {any} turn @returns {Answer} */
export const told = (answer, turn) => ({
  ...answer,
  phase: 'done',
  text: String(turn.answer),
  held: {},
  sources: Array.isArray(turn.sources) ? turn.sources : [],
  error: null,
});
