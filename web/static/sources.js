/** What stands around a cited text in its document. */

/** @typedef {import('./stream.js').Source} Source */

/** Code points shown on each side of a quote. */
const AROUND = 300;

/**
 * @param {Source} source
 * @param {typeof globalThis.fetch} [fetch]
 * @returns {Promise<{before: string, quote: string, after: string}|null>} null where the document is gone
 *   or no longer has the quote in its place
 */
export async function inContext(source, fetch = globalThis.fetch) {
  const { document_id: id, start, end } = source.metadata ?? {};
  if (!id || !Number.isInteger(start) || !Number.isInteger(end)) return null;
  const first = Math.max(0, start - AROUND);
  try {
    const response = await fetch(`documents/${encodeURIComponent(id)}/text?start=${first}&end=${end + AROUND}`);
    if (!response.ok) return null;
    const points = [...String((await response.json()).text)];
    const [from, to] = [start - first, end - first];
    const quote = points.slice(from, to).join('');
    if (quote !== source.content) return null;
    return { before: points.slice(0, from).join(''), quote, after: points.slice(to).join('') };
  } catch {
    return null; // the quote itself is shown already
  }
}
