/** Emphasis by runs of `*`, `_` and `~~`, after CommonMark's rules for delimiter runs. Pure. */

/** @typedef {import('./source.js').Node} Node */
/** @typedef {import('./source.js').Text} Text */
/** @typedef {{sign: string, count: number, from: number, both: boolean, item: Text}} Mark a run that may open something */

/** Nothing in a line of text reaches further than this. */
export const REACH = 2_000;
const DEPTH = 20;

const SPACE = /\s/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const WIDE = /[\p{sc=Hangul}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]/u;

export class Emphasis {
  #items;
  /** @type {Mark[]} */
  #marks = [];

  /** @param {(Node|Text)[]} items the elements of the text so far; runs and what they close go there */
  constructor(items) {
    this.#items = items;
  }

  /** Whether something before this place may still be closed. @param {number} at */
  isOpen(at) {
    while (this.#marks.length && at - this.#marks[0].from > REACH) this.#marks.shift();
    return this.#marks.length > 0;
  }

  /**
   * A run of a sign: closes what it can, and what is left of it may open something.
   * @param {string} sign
   * @param {number} from
   * @param {Text[]} run
   * @param {string} before the letter before it
   * @param {string} after
   */
  run(sign, from, run, before, after) {
    const [{ text, at }] = run;
    const left = flanks(before, after);
    const right = flanks(after, before);
    const opens = left && (sign !== '_' || !right || PUNCTUATION.test(before));
    const closes = right && (sign !== '_' || !left || PUNCTUATION.test(after));
    const used = closes ? this.#close(sign, text.length, opens, from) : 0;
    const count = text.length - used;
    if (!count) return;
    const item = { kind: 'text', text: text.slice(used), at: at + used, mark: true };
    this.#items.push(item);
    if (opens) this.#marks.push({ sign, count, from, both: opens && closes, item });
    if (this.#marks.length > DEPTH) this.#marks.shift();
  }

  /** Shows what was opened behind this place and is open at the end as if it were closed there. @param {number} place */
  closeFrom(place) {
    for (const mark of this.#marks.reverse()) {
      while (mark.from > place && mark.count) this.#wrap(mark, mark.count);
    }
  }

  /** @returns {number} how many signs were used */
  #close(sign, count, both, at) {
    let used = 0;
    for (let i = this.#marks.length - 1; i >= 0 && used < count; ) {
      const mark = this.#marks[i];
      const left = count - used;
      const three = (mark.both || both) && (mark.count + left) % 3 === 0 && (mark.count % 3 || left % 3);
      if (mark.sign !== sign || three || at - mark.from > REACH) {
        i--;
        continue;
      }
      this.#marks.length = i + 1;
      used += this.#wrap(mark, Math.min(left, mark.count));
      if (mark.count) continue;
      this.#marks.pop();
      i--;
    }
    return used;
  }

  /** @returns {number} how many signs of the mark were used */
  #wrap(mark, most) {
    const use = most > 1 ? 2 : 1;
    const kind = mark.sign === '~' ? 'del' : use === 2 ? 'strong' : 'em';
    const place = this.#items.lastIndexOf(mark.item);
    const children = this.#items.splice(place + 1);
    mark.count -= use;
    mark.item.text = mark.item.text.slice(0, mark.count);
    if (!mark.count) this.#items.length = place;
    if (children.length) this.#items.push({ kind, children, firm: 0 });
    return use;
  }
}

/** Whether a run between two letters may open something; beside CJK letters as beside punctuation. */
function flanks(before, after) {
  if (SPACE.test(after)) return false;
  return !PUNCTUATION.test(after) || SPACE.test(before) || PUNCTUATION.test(before) || WIDE.test(before);
}
