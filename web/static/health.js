/** What the server says of itself: whether the model is ready, and over how much. */

import { label, lang } from './i18n.js';

const LOADING_MS = 1_500;
const PROBLEM_MS = 5_000;

export class Health {
  isLoading = false;
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
    const status = health?.status ?? 'unknown';
    this.isLoading = status === 'loading';
    this.#show(health, status);
    const again = { ok: 0, loading: LOADING_MS }[status] ?? PROBLEM_MS;
    if (again) this.#timer = setTimeout(() => this.read(), again);
    this.#onRead();
  }

  #show(health, status) {
    this.#notice.hidden = status === 'ok' || status === 'unknown';
    if (this.isLoading) label(this.#notice, 'loading');
    else if (!this.#notice.hidden) label(this.#notice, 'problem', { message: String(health.error?.message ?? status) });
    if (!health) return;
    document.getElementById('model').textContent = String(health.model?.name ?? health.model ?? '');
    const { documents, passages } = health;
    if (Number.isFinite(documents)) {
      label(document.getElementById('figures'), 'figures', { documents, passages: passages ?? 0 });
    }
  }
}
