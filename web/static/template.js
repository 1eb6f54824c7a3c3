/** What the page makes its elements from. */

import { relabel } from './i18n.js';

/**
 * A copy of the first element in a `<template>`, its fixed texts in the current language.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function fromTemplate(id) {
  const element = document.getElementById(id).content.firstElementChild.cloneNode(true);
  relabel(element);
  return element;
}
