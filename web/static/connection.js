/** How the connection stands, in words. */

import { label } from './i18n.js';

/** @typedef {import('./client.js').ConnectionState} ConnectionState */

/**
 * What to say. A machine without a network may still reach a server of its own, so that an open connection counts first.
 * @param {ConnectionState} state
 * @param {boolean} isOnline as the browser sees it
 * @param {number} wait milliseconds until the next attempt
 * @param {boolean} isRestarting the server said that it goes
 * @returns {{key: string, seconds: number}} `seconds` 0: nothing to wait for
 */
export function statusOf(state, isOnline, wait, isRestarting = false) {
  if (state !== 'closed') return { key: `status_${state}`, seconds: 0 };
  const key = isRestarting ? 'status_restarting' : isOnline ? 'status_closed' : 'status_offline';
  return { key, seconds: Math.max(0, Math.ceil(wait / 1000)) };
}

export class ConnectionStatus {
  #elements;
  /** @type {{state: ConnectionState, retryAt: number, isRestarting: boolean}} */
  #connection = { state: 'closed', retryAt: 0, isRestarting: false };
  #tick = null;

  /** @param {{status: HTMLElement, text: HTMLElement, wait: HTMLElement, button: HTMLElement}} elements */
  constructor(elements) {
    this.#elements = elements;
    addEventListener('online', () => this.#paint());
    addEventListener('offline', () => this.#paint());
  }

  /** @param {{state: ConnectionState, retryAt: number, isRestarting: boolean}} connection looked at again each second while it is lost */
  show(connection) {
    this.#connection = connection;
    this.#paint();
  }

  #paint() {
    const { status, text, wait, button } = this.#elements;
    const { state, retryAt, isRestarting } = this.#connection;
    const { key, seconds } = statusOf(state, navigator.onLine !== false, retryAt - Date.now(), isRestarting);
    status.dataset.state = state;
    label(text, key);
    wait.hidden = !seconds;
    if (seconds) label(wait, 'status_wait', { seconds });
    button.hidden = state !== 'closed';
    if (state === 'closed') this.#tick ??= setInterval(() => this.#paint(), 1000);
    else {
      clearInterval(this.#tick);
      this.#tick = null;
    }
  }
}
