/** Adding documents: upload, live progress of each file, and the panel that shows them. */

import { label, lang, t } from './i18n.js';
import { fillSolutions, fromTemplate } from './turn.js';

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} name
 * @property {'queued'|'parsing'|'embedding'|'storing'|'stored'|'failed'|'cancelled'} state
 * @property {number} done passages
 * @property {number} total passages
 * @property {boolean} [duplicate] its content was there already
 * @property {ErrorBody|null} error
 */

/** @typedef {{error_code: string, message: string, solutions: string[]}} ErrorBody */

const LAST = new Set(['stored', 'failed', 'cancelled']);
const WITH_BAR = new Set(['job_uploading', 'job_parsing', 'job_embedding', 'job_embedding_start', 'job_storing']);

/** Browsers open about six HTTP/1.1 connections to a host, and the page needs some for itself. */
const STREAMS_AT_ONCE = 3;

/** @param {string} message @returns {ErrorBody} */
const ownError = (message) => ({ error_code: '', message, solutions: [] });

/** Lets `limit` tasks run at a time, the others in the order they came. */
export class Gate {
  #free;
  #waiting = [];

  /** @param {number} limit */
  constructor(limit) {
    this.#free = limit;
  }

  /**
   * @template T
   * @param {() => Promise<T>} task
   * @returns {Promise<T>}
   */
  async run(task) {
    if (this.#free > 0) this.#free--;
    else await new Promise((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

/**
 * Sends one file. One request each, so that a refused file does not take the others with it.
 * @param {File} file
 * @param {typeof globalThis.fetch} [fetch]
 * @returns {Promise<{jobs: {id: string, name: string}[]} | {error: ErrorBody}>}
 */
export async function upload(file, fetch = globalThis.fetch) {
  const body = new FormData();
  body.append('files', file, file.name);
  try {
    const response = await fetch('documents', { method: 'POST', body, headers: { 'Accept-Language': lang() } });
    const answer = await response.json().catch(() => null);
    if (response.ok && Array.isArray(answer?.jobs)) return answer;
    return { error: answer?.message ? answer : ownError(t('upload_refused', { status: String(response.status) })) };
  } catch {
    return { error: ownError(t('upload_network')) };
  }
}

/**
 * Follows a job to its last state.
 * @param {string} id
 * @param {(job: Job) => void} onJob
 * @param {typeof globalThis.EventSource} [EventSource]
 * @returns {Promise<boolean>} false when the job could not be followed to its end
 */
export function follow(id, onJob, EventSource = globalThis.EventSource) {
  return new Promise((resolve) => {
    const stream = new EventSource(`documents/jobs/${encodeURIComponent(id)}/events?lang=${lang()}`);
    stream.addEventListener('job', (event) => {
      const job = JSON.parse(event.data);
      onJob(job);
      if (!LAST.has(job.state)) return;
      stream.close();
      resolve(true);
    });
    stream.addEventListener('error', () => {
      // In any other state the browser is already connecting again by itself.
      if (stream.readyState === EventSource.CLOSED) resolve(false);
    });
  });
}

export class DocumentsPanel {
  #dialog;
  #list;
  #onStored;
  #uploads = new Gate(1);
  #streams = new Gate(STREAMS_AT_ONCE);

  /**
   * @param {HTMLDialogElement} dialog
   * @param {() => void} onStored called after each file that was added
   */
  constructor(dialog, onStored) {
    this.#dialog = dialog;
    this.#list = dialog.querySelector('.jobs');
    this.#onStored = onStored;
    const input = dialog.querySelector('input[type=file]');
    dialog.querySelector('.choose').addEventListener('click', () => input.click());
    input.addEventListener('change', () => {
      this.add(input.files);
      input.value = '';
    });
    dialog.querySelector('.close').addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (event) => {
      // Only a click on the backdrop has the dialog itself as its target.
      if (event.target === dialog) dialog.close();
    });
    this.#acceptDrops();
  }

  open() {
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  /** @param {Iterable<File>} files */
  add(files) {
    const rows = Array.from(files, (file) => [file, new JobRow(file.name)]);
    this.#list.prepend(...rows.map(([, row]) => row.element));
    for (const [file, row] of rows) this.#process(file, row);
  }

  async #process(file, row) {
    const answer = await this.#uploads.run(() => {
      row.state('job_uploading');
      return upload(file);
    });
    if ('error' in answer) return row.fail(answer.error);
    row.state('job_queued');
    for (const { id } of answer.jobs) {
      const followed = await this.#streams.run(() => follow(id, (job) => row.update(job)));
      if (!followed) row.fail(ownError(t('progress_lost')));
      this.#onStored();
    }
  }

  /** The whole page takes files, so that nobody has to look for the right spot. */
  #acceptDrops() {
    const { classList } = document.documentElement;
    const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
    let depth = 0; // dragenter and dragleave come for every element on the way
    const leave = (event) => {
      if (hasFiles(event) && --depth <= 0) classList.remove('dropping');
    };
    addEventListener('dragenter', (event) => {
      if (!hasFiles(event)) return;
      depth++;
      classList.add('dropping');
    });
    addEventListener('dragleave', leave);
    addEventListener('dragover', (event) => hasFiles(event) && event.preventDefault());
    addEventListener('drop', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      classList.remove('dropping');
      this.open();
      this.add([...event.dataTransfer.files]);
    });
  }
}

class JobRow {
  element = fromTemplate('job-template');

  /** @param {string} fileName */
  constructor(fileName) {
    const name = this.element.querySelector('.job-name');
    name.textContent = name.title = fileName;
    this.element.querySelector('progress').setAttribute('aria-label', fileName);
    this.state('job_waiting');
  }

  /**
   * @param {string} key
   * @param {Record<string, number>} [values]
   */
  state(key, values) {
    label(this.element.querySelector('.job-state'), key, values);
    this.element.querySelector('progress').hidden = !WITH_BAR.has(key);
  }

  /** @param {Job} job */
  update(job) {
    const { state, done, total, duplicate } = job;
    if (state === 'failed' && job.error) return this.fail(job.error);
    const bar = this.element.querySelector('progress');
    if (state === 'embedding' && total > 0) {
      bar.max = total;
      bar.value = done;
    } else {
      bar.removeAttribute('value');
    }
    this.element.dataset.state = state;
    if (duplicate) return this.state('job_duplicate');
    this.state(state === 'embedding' && !(total > 0) ? 'job_embedding_start' : `job_${state}`, { done, total });
  }

  /** @param {ErrorBody} error */
  fail(error) {
    this.element.dataset.state = 'failed';
    this.state('job_failed');
    const box = this.element.querySelector('.job-error');
    box.hidden = false;
    box.querySelector('.error-message').textContent = error.message;
    fillSolutions(box.querySelector('.solutions'), error.solutions ?? []);
  }
}
