/** What the server says of itself: whether the model is ready, how far it is, and what is wrong. */

import { isShut, toLogin } from './door.js';
import { label, lang, name } from './i18n.js';
import { fillSolutions } from './lists.js';

const LOADING_MS = 500;
const PROBLEM_MS = 5_000;
/** The guide that tells most about an error. */
const GUIDES = { 'GEN-002': '03-models', 'SETUP-005': '03-models' };

/**
 * @param {any} health
 * @returns {{key: string, values?: Record<string, any>, done: number, total: number}} the words for a phase, and how far it is
 */
export function loadingOf(health) {
  const { phase, done, total } = health?.loading ?? {};
  const known = ['index', 'model', 'guides'].includes(phase) ? `loading_${phase}` : 'loading';
  const isKnown = Number.isFinite(done) && total > 0;
  return { key: known, values: { done, total, model: String(health?.model ?? '') }, done: isKnown ? done : 0, total: isKnown ? total : 0 };
}

export class Health {
  isLoading = false;
  /** The last that was heard; null if nothing was heard the last time. */
  last = null;
  #notice;
  #onRead;
  #timer;
  #asked = 0;

  /**
   * @param {HTMLElement} notice
   * @param {() => void} onRead
   */
  constructor(notice, onRead) {
    this.#notice = notice;
    this.#onRead = onRead;
  }

  /** Whether the model can be asked. A server that was away may come back loading. */
  get isReady() {
    return this.last !== null && !this.isLoading;
  }

  /** Asks the server, and again later while it is not well. */
  async read() {
    clearTimeout(this.#timer);
    const mine = ++this.#asked;
    let health = null;
    try {
      const response = await fetch('health', { headers: { 'Accept-Language': lang() }, cache: 'no-store' });
      health = await response.json();
    } catch {
      /* the connection state already says that the server is away */
    }
    if (mine !== this.#asked) return; // a later question will have the fresher answer
    if (isShut(health)) return toLogin();
    this.last = health;
    const status = health?.status ?? 'unknown';
    this.isLoading = status === 'loading';
    this.#show(health, status);
    const again = { ok: 0, loading: LOADING_MS }[status] ?? PROBLEM_MS;
    if (again) this.#timer = setTimeout(() => this.read(), again);
    this.#onRead();
  }

  #show(health, status) {
    this.#notice.hidden = status === 'ok' || status === 'unknown';
    this.#notice.querySelector('progress').hidden = !this.isLoading;
    if (this.isLoading) this.#showLoading(health);
    if (!this.#notice.hidden) this.#showProblem(this.isLoading ? null : (health.error ?? { message: String(status) }));
    if (!health) return;
    document.getElementById('model').textContent = String(health.model ?? '');
    const { documents, passages } = health;
    if (Number.isFinite(documents)) {
      label(document.getElementById('figures'), 'figures', { documents, passages: passages ?? 0 });
    }
  }

  #showLoading(health) {
    const { key, values, done, total } = loadingOf(health);
    const bar = this.#notice.querySelector('progress');
    if (total) {
      bar.max = total;
      bar.value = done;
    } else bar.removeAttribute('value');
    name(bar, 'loading_bar');
    this.#say(key, values);
  }

  /** @param {{error_code?: string, message: string, solutions?: string[]}|null} error */
  #showProblem(error) {
    const list = this.#notice.querySelector('.solutions');
    const link = this.#notice.querySelector('.notice-guide');
    link.hidden = !error;
    fillSolutions(list, error?.solutions);
    this.#notice.classList.toggle('bad', Boolean(error));
    if (!error) return;
    this.#say('problem', { message: String(error.message) });
    link.href = `guides/${GUIDES[error.error_code] ?? '06-troubleshooting'}?lang=${lang()}`;
  }

  #say(key, values) {
    label(this.#notice.querySelector('.notice-text'), key, values);
  }
}
