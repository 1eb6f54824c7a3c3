/** Addresses of documents: of the place in one that the page shows, and of its original. */

/** @typedef {{document: string, start?: number, end?: number, page?: number}} Place */

/**
 * @param {string} hash of an address, such as `#document=ID&start=10&end=20`
 * @returns {Place|null} null where it names no document
 */
export function placeIn(hash) {
  const query = new URLSearchParams(hash.replace(/^#/, ''));
  const document = query.get('document');
  if (!document) return null;
  const number = (name) => (/^\d{1,9}$/.test(query.get(name) ?? '') ? Number(query.get(name)) : undefined);
  const [start, end, page] = ['start', 'end', 'page'].map(number);
  return { document, start, end: start === undefined ? undefined : Math.max(start, end ?? start), page };
}

/** @param {Place} place @returns {string} */
export function hashOf({ document, start, end, page }) {
  const named = Object.entries({ document, start, end, page }).filter(([, value]) => value !== undefined);
  return `#${new URLSearchParams(named.map(([key, value]) => [key, String(value)]))}`;
}

/**
 * @param {string} document
 * @param {string} [more] what of it
 */
export const addressOf = (document, more = '') => `documents/${encodeURIComponent(document)}${more}`;

/**
 * @param {string} document
 * @param {number} [page]
 * @returns {string} address of a PDF in the browser's own viewer
 */
export const originalOf = (document, page) => `${addressOf(document, '/original?inline=1')}${page ? `#page=${page}` : ''}`;
