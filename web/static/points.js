/** Code points, as the server counts texts, against the UTF-16 units of a script's strings. Pure. */

/** @param {string} text @returns {number} its length in code points */
export function pointsIn(text) {
  let points = text.length;
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) >= 0xd800 && text.codePointAt(at) > 0xffff) {
      points--;
      at++;
    }
  }
  return points;
}

/**
 * @param {string} text
 * @param {number} points code points
 * @param {number} [from] index to count from
 * @returns {number} the index after so many code points, at most the text's end
 */
export function indexAfter(text, points, from = 0) {
  let at = from;
  for (; points > 0 && at < text.length; points--) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return at;
}
