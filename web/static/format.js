/** Sizes and dates as people read them. */

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/**
 * @param {number} n bytes
 * @param {string} lang
 */
export function bytes(n, lang) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, n)) / 10));
  const value = n / 1024 ** power;
  return `${value.toLocaleString(lang, { maximumFractionDigits: value < 10 && power ? 1 : 0 })} ${UNITS[power]}`;
}

/**
 * @param {string|null} time ISO 8601
 * @param {string} lang
 * @param {Date} [now]
 * @returns {string} the time of day if it was today
 */
export function when(time, lang, now = new Date()) {
  const date = time ? new Date(time) : null;
  if (!date || Number.isNaN(date.getTime())) return '';
  const isToday = date.toDateString() === now.toDateString();
  return isToday
    ? date.toLocaleTimeString(lang, { timeStyle: 'short' })
    : date.toLocaleDateString(lang, { dateStyle: 'medium' });
}
