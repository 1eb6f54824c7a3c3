/** Puts the words of `texts/` on the page, in either language. */

import chat from './texts/chat.js';
import composer from './texts/composer.js';
import documents from './texts/documents.js';
import page from './texts/page.js';
import settings from './texts/settings.js';
import sidebar from './texts/sidebar.js';
import sources from './texts/sources.js';
import viewer from './texts/viewer.js';
import welcome from './texts/welcome.js';

/** @typedef {'ko'|'en'} Lang */

const TEXTS = { ...chat, ...composer, ...documents, ...page, ...settings, ...sidebar, ...sources, ...viewer, ...welcome };

const textsIn = (lang) => Object.fromEntries(Object.entries(TEXTS).map(([key, text]) => [key, text[lang]]));

/** @type {Record<Lang, Record<string, string>>} */
export const STRINGS = { ko: textsIn('ko'), en: textsIn('en') };

/** @type {Lang} */
let current = 'ko';

/** @returns {Lang} */
export const lang = () => current;

/** @param {string} value */
export function setLang(value) {
  current = value === 'en' ? 'en' : 'ko';
}

/**
 * The first wanted language the page speaks.
 * @param {readonly string[]} wanted such as `navigator.languages`
 * @param {string} otherwise
 * @returns {Lang}
 */
export function pickLang(wanted, otherwise) {
  const known = wanted.map((tag) => tag.toLowerCase().split('-')[0]).find((tag) => tag in STRINGS);
  return /** @type {Lang} */ (known ?? (otherwise === 'en' ? 'en' : 'ko'));
}

/**
 * A text in the current language, with `{name}` filled in; numbers get the language's separators.
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 * @returns {string} the key itself when there is no such text, so that a slip shows
 */
export function t(key, values = {}) {
  const text = STRINGS[current][key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === 'number' ? value.toLocaleString(current) : value;
  });
}

/** What `{name}` stands for in a labelled element, so that a language switch can write it anew. */
const valuesOf = new WeakMap();

/**
 * Writes a text into an element and remembers which, for `relabel`.
 * @param {HTMLElement} element
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 */
export function label(element, key, values) {
  element.dataset.i18n = key;
  valuesOf.set(element, values);
  const text = t(key, values);
  // In a live region, what is written again would be read out again.
  if (element.textContent !== text) element.textContent = text;
}

/**
 * The same for the name a screen reader and the tooltip give.
 * @param {HTMLElement} element
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 */
export function name(element, key, values) {
  element.dataset.i18nName = key;
  valuesOf.set(element, values);
  element.setAttribute('aria-label', t(key, values));
  if (element.matches('button, a')) element.title = t(key, values);
}

/** Writes a text of another kind, which no language switch changes. @param {HTMLElement} element @param {string} text */
export function write(element, text) {
  delete element.dataset.i18n;
  element.textContent = text;
}

/**
 * Writes every labelled text under `root` in the current language.
 * @param {ParentNode} root
 */
export function relabel(root) {
  for (const element of root.querySelectorAll('[data-i18n]')) {
    label(element, element.dataset.i18n, valuesOf.get(element));
  }
  for (const element of root.querySelectorAll('[data-i18n-name]')) {
    name(element, element.dataset.i18nName, valuesOf.get(element));
  }
  for (const element of root.querySelectorAll('[data-i18n-placeholder]')) {
    element.placeholder = t(element.dataset.i18nPlaceholder);
  }
}
