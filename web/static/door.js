/** Where the server asks for a key: the way to the login and back. What is typed and said stays in this browser. */

import { lang } from './i18n.js';

let isLeaving = false;

/** Opens the login page, which leads back here. */
export function toLogin() {
  if (isLeaving) return;
  isLeaving = true;
  const here = `./${location.search}${location.hash}`;
  location.assign(`login?${new URLSearchParams({ lang: lang(), next: here })}`);
}

/**
 * `fetch`, for what needs a login: without one, the way leads to the login page.
 * @param {string} address
 * @param {RequestInit} [how]
 */
export async function guardedFetch(address, how) {
  const response = await globalThis.fetch(address, how);
  if (response.status === 401) toLogin();
  return response;
}

/** @param {any} health @returns {boolean} whether the server has a key and was told none */
export const isShut = (health) => Boolean(health?.key_required) && !('model' in health);

/** Ends the login of this browser. */
export async function logOut() {
  await globalThis.fetch('logout', { method: 'POST' }).catch(() => null);
  toLogin();
}
