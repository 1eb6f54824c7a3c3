/** A conversation as a file: Markdown to read, JSON to work with. */

import { download } from './download.js';
import { t } from './i18n.js';

/** @typedef {import('./talks.js').Head} Head */
/** @typedef {import('./talks.js').Kept} Kept */
/** @typedef {import('./client.js').Source} Source */

export const FORMAT = 'rag-standard-conversation';

const fileOf = (source) => String(source.metadata?.source ?? '');
const offset = (value) => (Number.isInteger(value) ? value : null);

/** Text that Markdown shall show as it is. */
const plain = (text) => String(text ?? '').replace(/\s+/g, ' ').replace(/[\\`*_[\]<>#|~&]/g, '\\$&');
/** Text in which no program that shows Markdown finds a picture or an element to load. */
const still = (text) => String(text ?? '').replace(/!(?=\[)/g, '!\\').replace(/<(?=[a-z/!?])/gi, '&lt;');
const quoted = (text) => still(text).replace(/^/gm, '> ');

const OPENS = /^(`{3,}(?=[^`]*$)|~{3,})/;
const CLOSES = /^ {0,3}(`{3,}|~{3,})[ \t]*$/;
/** Programs differ in what is code after one of these. */
const UNCLEAR = /`{3,}|~{3,}|\$\$/;

/**
 * An answer as it was written, without what would be loaded when the file is opened. Code keeps its letters, as long as
 * all programs take it for code.
 * @param {string} text
 */
function stillAnswer(text) {
  let fence = '';
  let clear = true;
  const lines = [];
  for (const line of text.replace(/\r\n?/g, '\n').split('\n')) {
    const isCode = fence !== '';
    if (isCode) {
      if (CLOSES.exec(line)?.[1].startsWith(fence)) fence = '';
    } else if (clear && OPENS.test(line)) {
      fence = OPENS.exec(line)[1];
    } else {
      clear &&= !UNCLEAR.test(line);
    }
    lines.push(isCode ? line : still(line));
  }
  return lines.join('\n');
}

/**
 * @param {Head} head
 * @param {Kept[]} turns
 * @returns {string}
 */
export function toMarkdown(head, turns) {
  const blocks = [`# ${plain(head.title)}`];
  for (const { answer, anew } of turns) {
    if (anew) blocks.push(`*${t('context_ended')}*`);
    blocks.push(`## ${t('you')}`, quoted(answer.question), `## ${t('answer')}`);
    if (answer.text.trim()) blocks.push(stillAnswer(answer.text.trim()));
    if (answer.error) blocks.push(`*${plain(answer.error.message)}*`);
    else if (answer.phase !== 'done') blocks.push(`*${t(answer.phase === 'stopped' ? 'stopped' : 'interrupted')}*`);
    if (answer.sources?.length) {
      blocks.push(`### ${t('sources', { n: answer.sources.length })}`, ...answer.sources.map((source, at) => sourceLines(source, at + 1)));
    }
  }
  return `${blocks.join('\n\n')}\n`;
}

/** The quote stands inside the item of the list. */
function sourceLines(source, number) {
  const { page, start, end } = source.metadata ?? {};
  const place = [plain(fileOf(source))];
  if (page) place.push(t('source_page', { page }));
  if (offset(start) !== null && offset(end) !== null) place.push(t('export_offsets', { start: String(start), end: String(end) }));
  const indent = ' '.repeat(`${number}. `.length);
  const lines = [`**${plain(source.title)}** (${place.filter(Boolean).join(', ')})`, '', ...quoted(source.content).split('\n')];
  return `${number}. ${lines.join(`\n${indent}`)}`;
}

/**
 * @param {Head} head
 * @param {Kept[]} turns
 * @param {number} now
 * @returns {string}
 */
export function toJson(head, turns, now) {
  const time = (at) => new Date(at).toISOString();
  return `${JSON.stringify(
    {
      format: FORMAT,
      version: 1,
      title: head.title,
      session_id: head.id,
      created: time(head.created),
      exported: time(now),
      turns: turns.map(({ at, anew, answer }) => ({
        message_id: answer.messageId,
        asked: time(at),
        context_ended_before: anew,
        question: answer.question,
        answer: answer.text,
        state: answer.phase,
        error: answer.error,
        grounded: answer.end?.grounded ?? null,
        sources: (answer.sources ?? []).map(sourceRow),
      })),
    },
    null,
    2,
  )}\n`;
}

/** @param {Source} source @param {number} at */
const sourceRow = (source, at) => ({
  number: at + 1,
  title: String(source.title ?? ''),
  file: fileOf(source),
  page: source.metadata?.page ?? null,
  quote: String(source.content ?? ''),
  start: offset(source.metadata?.start),
  end: offset(source.metadata?.end),
  document_id: source.metadata?.document_id ?? null,
  cited: Boolean(source.metadata?.cited),
  score: source.score ?? null,
});

/** A name that every file system takes. @param {string} title @param {string} suffix */
export function fileName(title, suffix) {
  const safe = title
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Cf}<>:"/\\|?*]/gu, ' ')
    .replace(/\s+/g, ' ')
    .replace(/^[. ]+|[. ]+$/g, '');
  return `${[...safe].slice(0, 60).join('').trimEnd() || 'conversation'}.${suffix}`;
}

/**
 * Hands a conversation to the browser as a file to be saved.
 * @param {'markdown'|'json'} kind
 * @param {Head} head
 * @param {Kept[]} turns
 */
export function save(kind, head, turns) {
  const isJson = kind === 'json';
  const text = isJson ? toJson(head, turns, Date.now()) : toMarkdown(head, turns);
  const type = isJson ? 'application/json' : 'text/markdown;charset=utf-8';
  const address = URL.createObjectURL(new Blob([text], { type }));
  download(address, fileName(head.title, isJson ? 'json' : 'md'));
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
