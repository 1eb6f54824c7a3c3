/** What goes over the wire for documents on their way in: sending a file, following jobs, cancelling them. */

import { guardedFetch, toLogin } from './door.js';
import { lang, t } from './i18n.js';

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
/** @typedef {{jobs: Job[], counts: Record<string, number>, first: boolean}} JobsEvent */

export const LAST = new Set(['stored', 'failed', 'cancelled']);

/** How long after a refusal the stream of jobs is asked for again. */
const AGAIN_MS = 5_000;

/** @param {string} message @returns {ErrorBody} */
export const ownError = (message) => ({ error_code: '', message, solutions: [] });

/**
 * Sends one file. One request each, so that a refused file does not take the others with it.
 * @param {Blob} content
 * @param {string} name
 * @param {{signal?: AbortSignal, onSent?: (share: number) => void}} [how] `share` of the bytes sent, 0 to 1
 * @param {typeof globalThis.XMLHttpRequest} [XMLHttpRequest] `fetch` does not tell how much it has sent
 * @returns {Promise<{id: string} | {error: ErrorBody} | {cancelled: true}>} the id of the job
 */
export function send(content, name, { signal, onSent = () => {} } = {}, XMLHttpRequest = globalThis.XMLHttpRequest) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open('POST', 'documents');
    request.setRequestHeader('Accept-Language', lang());
    request.upload.addEventListener('progress', ({ loaded, total }) => onSent(total ? loaded / total : 0));
    request.upload.addEventListener('load', () => onSent(1));
    request.addEventListener('load', () => {
      if (request.status === 401) toLogin();
      const answer = parsed(request.responseText);
      const id = answer?.jobs?.[0]?.id;
      if (request.status === 202 && id) return resolve({ id });
      resolve({ error: answer?.message ? answer : ownError(t('upload_refused', { status: String(request.status) })) });
    });
    request.addEventListener('error', () => resolve({ error: ownError(t('upload_network')) }));
    request.addEventListener('abort', () => resolve({ cancelled: true }));
    signal?.addEventListener('abort', () => request.abort());
    const body = new FormData();
    body.append('files', content, name);
    request.send(body);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {string} id @returns {Promise<Job|null>} the job as it has ended; null where that cannot be told */
export async function cancelJob(id, fetch = guardedFetch) {
  try {
    const response = await fetch(`documents/jobs/${encodeURIComponent(id)}`, {
      method: 'DELETE',
      headers: { 'Accept-Language': lang() },
    });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/**
 * Follows one job to its last state.
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

/** The stream of all jobs; it comes back by itself until it is closed. One for the page: browsers allow few. */
export class JobStream {
  #onJobs;
  #EventSource;
  #stream = null;
  #timer;

  /**
   * @param {(event: JobsEvent) => void} onJobs
   * @param {typeof globalThis.EventSource} [EventSource]
   */
  constructor(onJobs, EventSource = globalThis.EventSource) {
    this.#onJobs = onJobs;
    this.#EventSource = EventSource;
  }

  open() {
    if (this.#stream) return;
    clearTimeout(this.#timer);
    const stream = new this.#EventSource(`documents/jobs/events?lang=${lang()}`);
    this.#stream = stream;
    stream.addEventListener('jobs', (event) => this.#onJobs(JSON.parse(event.data)));
    stream.addEventListener('error', () => {
      if (stream !== this.#stream || stream.readyState !== this.#EventSource.CLOSED) return;
      this.#stream = null;
      this.#timer = setTimeout(() => this.open(), AGAIN_MS);
    });
  }

  close() {
    clearTimeout(this.#timer);
    this.#stream?.close();
    this.#stream = null;
  }
}
