/** Small things the browser keeps. It may refuse (private windows, blocked cookies): the page then forgets, and works on. */

/** @param {'localStorage'|'sessionStorage'} storage @param {string} key @returns {string|null} */
export function stored(storage, key) {
  try {
    return globalThis[storage].getItem(key);
  } catch {
    return null;
  }
}

/** @param {'localStorage'|'sessionStorage'} storage @param {string} key @param {string} value; '' keeps nothing */
export function store(storage, key, value) {
  try {
    if (value) globalThis[storage].setItem(key, value);
    else globalThis[storage].removeItem(key);
  } catch {
    /* see above */
  }
}

/** @param {'localStorage'|'sessionStorage'} storage @param {string} prefix @returns {string[]} the rest of each key that begins so */
export function storedUnder(storage, prefix) {
  try {
    const keys = Object.keys(globalThis[storage]);
    return keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  } catch {
    return [];
  }
}
