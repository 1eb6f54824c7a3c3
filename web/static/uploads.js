/** Documents on their way in: what waits to be sent, what the server works on, what has ended. No element is touched. */

import { ending } from './files.js';
import { t } from './i18n.js';
import { LAST, cancelJob, follow, ownError, send } from './send.js';

/** @typedef {import('./send.js').Job} Job */
/** @typedef {import('./send.js').ErrorBody} ErrorBody */
/** @typedef {import('./files.js').Found} Found */

/**
 * @typedef {object} Item
 * @property {number} key
 * @property {string} name
 * @property {File|null} file null where it is not of this page, or cannot be read
 * @property {'waiting'|'uploading'|Job['state']} state
 * @property {number} sent share of the bytes, 0 to 1
 * @property {number} done passages
 * @property {number} total passages
 * @property {boolean} duplicate
 * @property {ErrorBody|null} error
 * @property {string} job id, as soon as it is known
 * @property {AbortController|null} abort while it is being sent
 * @property {boolean} isLeaving it is being cancelled
 */

/** Requests at a time; the browser needs some connections for the rest of the page. */
const AT_ONCE = 2;

let keys = 0;

/** @param {string} name @param {File|null} file @returns {Item} */
const newItem = (name, file) => ({
  ...{ key: ++keys, name, file, state: 'waiting', sent: 0, done: 0, total: 0 },
  ...{ duplicate: false, error: null, job: '', abort: null, isLeaving: false },
});

/** @param {Item} item */
export const hasEnded = (item) => LAST.has(item.state);

export class Uploads {
  /** @type {Set<Item>} */
  items = new Set();
  #byJob = new Map();
  /** @type {Item[]} */
  #queue = [];
  /** Files on their way; the stream may tell of their jobs before the answer to the upload does. */
  #sending = new Set();
  /** @type {Map<string, Job>} jobs that are most likely of a file on its way */
  #early = new Map();
  #elsewhere = 0;
  #supported;
  #parts;

  /**
   * @param {Set<string>} supported endings
   * @param {object} parts
   * @param {() => void} parts.onChange
   * @param {() => void} parts.onStored another document can be asked
   * @param {string} [parts.seen] the newest job whose end the person has seen
   * @param {typeof send} [parts.send]
   * @param {typeof follow} [parts.follow]
   * @param {typeof cancelJob} [parts.cancelJob]
   */
  constructor(supported, parts) {
    this.#supported = supported;
    this.#parts = { seen: '', send, follow, cancelJob, ...parts };
  }

  get isRunning() {
    return this.#elsewhere > 0 || [...this.items].some((item) => !hasEnded(item));
  }

  /** Of all files: those that have ended and those to come, whoever has sent them. */
  get summary() {
    const counts = { total: this.items.size + this.#elsewhere, ended: 0, stored: 0, failed: 0, cancelled: 0 };
    for (const { state } of this.items) {
      if (!LAST.has(state)) continue;
      counts.ended++;
      counts[state]++;
    }
    return counts;
  }

  /** @param {Found[]} found */
  add(found) {
    if (!this.isRunning) this.#forget((item) => hasEnded(item) && item.state !== 'failed');
    for (const { file, name } of found) this.#enqueue(newItem(name, file));
    this.#pump();
    this.#parts.onChange();
  }

  /** @param {Item} item */
  retry(item) {
    if (!item.file) return;
    this.items.delete(item);
    this.add([item]);
  }

  retryFailed() {
    const failed = [...this.items].filter(({ state, file }) => state === 'failed' && file);
    for (const item of failed) this.items.delete(item);
    this.add(failed);
  }

  /** @param {Item} item */
  async cancel(item) {
    if (hasEnded(item) || item.isLeaving) return;
    if (item.state === 'waiting') return this.#set(item, { state: 'cancelled' });
    this.#set(item, { isLeaving: true });
    // Once all bytes are sent the server may have accepted the file: its answer is waited for, then the job cancelled.
    if (item.state === 'uploading') {
      if (item.sent < 1) item.abort.abort();
      return;
    }
    const job = await this.#parts.cancelJob(item.job);
    this.#set(item, { isLeaving: false });
    if (job) this.#take(item, job);
  }

  cancelAll() {
    this.#queue = [];
    for (const item of this.items) this.cancel(item);
  }

  /** Forgets what has ended. @returns {string} the newest job of which the end was seen */
  clear() {
    for (const item of this.items) if (hasEnded(item) && item.job > this.#parts.seen) this.#parts.seen = item.job;
    this.#forget(hasEnded);
    this.#parts.onChange();
    return this.#parts.seen;
  }

  /** Takes over what the server tells of all jobs. @param {import('./send.js').JobsEvent} event */
  saw({ jobs, counts, first }) {
    for (const job of jobs) {
      const isOldNews = first && LAST.has(job.state) && job.id <= this.#parts.seen;
      const item = this.#byJob.get(job.id);
      if (item) this.#take(item, job);
      else if (isOldNews) continue;
      else if (this.#isSent(job)) this.#early.set(job.id, job);
      else this.#take(this.#foreign(job), job);
    }
    const known = [...this.items].filter(({ state }) => state === 'queued').length;
    // Those on their way may be among the queued ones already.
    this.#elsewhere = Math.max(0, counts.queued - known - this.#sending.size);
    if (first) this.#lookForLost(jobs, counts);
    this.#parts.onChange();
  }

  #isSent({ name }) {
    return [...this.#sending].some((item) => item.name === name);
  }

  #foreign(job) {
    const item = newItem(job.name, null);
    item.job = job.id;
    this.items.add(item);
    this.#byJob.set(job.id, item);
    return item;
  }

  /** Jobs that the server no longer names have ended while nobody looked; each tells how, if it is still known. */
  #lookForLost(jobs, counts) {
    const named = new Set(jobs.map(({ id }) => id));
    const isWhole = counts.queued <= jobs.filter(({ state }) => state === 'queued').length;
    for (const item of this.items) {
      if (!item.job || hasEnded(item) || named.has(item.job) || !isWhole) continue;
      this.#parts.follow(item.job, (job) => this.#take(item, job)).then((told) => {
        if (!told && !hasEnded(item)) this.#fail(item, ownError(t('progress_lost')));
      });
    }
  }

  #enqueue(item) {
    this.items.add(item);
    if (item.file) this.#queue.push(item);
    else this.#fail(item, ownError(t('file_unreadable')));
  }

  #pump() {
    while (this.#sending.size < AT_ONCE && this.#queue.length) {
      const item = this.#queue.shift();
      if (item.state === 'waiting') this.#send(item);
    }
  }

  async #send(item) {
    this.#sending.add(item);
    const abort = new AbortController();
    this.#set(item, { state: 'uploading', abort });
    // The server refuses an unknown type by its name alone; the content may stay here.
    const content = this.#supported.has(ending(item.name)) ? item.file : new Blob([]);
    const onSent = (sent) => this.#set(item, { sent });
    const answer = await this.#parts.send(content, item.name, { signal: abort.signal, onSent });
    this.#sending.delete(item);
    item.abort = null;
    if ('cancelled' in answer) this.#set(item, { state: 'cancelled', isLeaving: false });
    else if ('error' in answer) this.#fail(item, answer.error);
    else this.#accepted(item, answer.id);
    this.#lookAtEarly();
    this.#pump();
  }

  #accepted(item, id) {
    const early = this.#byJob.get(id) ?? this.#early.get(id);
    this.#early.delete(id);
    this.items.delete(this.#byJob.get(id));
    this.#byJob.set(id, item);
    this.#set(item, { job: id, state: 'queued' });
    if (early) this.#take(item, early);
    if (!item.isLeaving) return;
    item.isLeaving = false;
    this.cancel(item);
  }

  /** Once no file of that name is on its way, a job that nobody claimed is someone else's. */
  #lookAtEarly() {
    for (const [id, job] of this.#early) {
      if (this.#isSent(job)) continue;
      this.#early.delete(id);
      this.#take(this.#foreign(job), job);
    }
  }

  /** @param {Item} item @param {Pick<Item, 'state'|'done'|'total'|'duplicate'|'error'>} job */
  #take(item, { state, done, total, duplicate, error }) {
    const isNew = state === 'stored' && item.state !== 'stored';
    this.#set(item, { state, done, total, duplicate: Boolean(duplicate), error: error ?? null });
    if (isNew) this.#parts.onStored();
  }

  #fail(item, error) {
    this.#set(item, { state: 'failed', error, isLeaving: false });
  }

  #set(item, values) {
    Object.assign(item, values);
    this.#parts.onChange();
  }

  #forget(isGone) {
    for (const item of this.items) {
      if (!isGone(item)) continue;
      this.items.delete(item);
      this.#byJob.delete(item.job);
    }
  }
}
