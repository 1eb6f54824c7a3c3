/** Files that were dropped or chosen: those of folders with their paths, less what nobody means to add. */

/**
 * @typedef {object} Found
 * @property {File|null} file null where the browser cannot read it
 * @property {string} name with its folders, as the server is to know it
 */

/**
 * @typedef {object} Sifted
 * @property {Found[]} taken
 * @property {number} hidden how many were left out because they are hidden
 * @property {number} unsupported how many because their type cannot be read
 * @property {string[]} endings of those
 */

const ORDER = new Intl.Collator(undefined, { numeric: true });

/** Not meant for people, such as what office programs leave beside an open file. @param {string} name */
const isHidden = (name) => name.startsWith('.') || name.startsWith('~$');

/** @param {string} name @returns {string} such as `.pdf` */
export function ending(name) {
  const base = name.slice(name.lastIndexOf('/') + 1);
  const dot = base.lastIndexOf('.');
  return dot > 0 ? base.slice(dot).toLowerCase() : '';
}

/**
 * Leaves out of folders what is hidden or cannot be read, as the command `ingest` does. Files that were given one by
 * one stay: of those the server says why it does not take them.
 * @param {Found[]} found
 * @param {Set<string>} supported endings
 * @returns {Sifted}
 */
export function sift(found, supported) {
  const sifted = { taken: [], hidden: 0, unsupported: 0, endings: [] };
  const endings = new Set();
  for (const each of found) {
    const parts = each.name.split('/');
    if (parts.length > 1 && parts.some(isHidden)) sifted.hidden++;
    else if (parts.length > 1 && !supported.has(ending(each.name))) {
      sifted.unsupported++;
      endings.add(ending(each.name));
    } else sifted.taken.push(each);
  }
  sifted.endings = [...endings].filter(Boolean).sort();
  return sifted;
}

/** Browsers give the files of a folder in no order. @param {Found[]} found */
const inOrder = (found) => found.sort((a, b) => ORDER.compare(a.name, b.name));

/** @param {Iterable<File>} files of an input, which may have chosen a folder @returns {Found[]} */
export const chosen = (files) => inOrder(Array.from(files, (file) => ({ file, name: file.webkitRelativePath || file.name })));

/**
 * What was dropped. The browser empties `dataTransfer` when the event is over, so it is read before the first wait.
 * @param {DataTransfer} dataTransfer
 * @returns {Promise<Found[]>}
 */
export async function dropped(dataTransfer) {
  const entries = Array.from(dataTransfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosen(dataTransfer.files);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return inOrder(found);
}

/** @param {FileSystemEntry} entry @param {Found[]} found */
async function walk(entry, found) {
  if (entry.isFile) {
    found.push({ file: await asFile(entry), name: entry.fullPath.replace(/^\//, '') });
    return;
  }
  // Of a hidden folder one file stands for all: thousands may lie there.
  if (isHidden(entry.name)) return found.push({ file: null, name: `${entry.name}/` });
  const reader = entry.createReader();
  // A reader gives about a hundred at a time, and none when it is at its end.
  for (let some; (some = await next(reader)).length; ) {
    for (const each of some) await walk(each, found);
  }
}

/** @returns {Promise<File|null>} null where it cannot be read */
const asFile = (entry) => new Promise((resolve) => entry.file(resolve, () => resolve(null)));

/** @returns {Promise<FileSystemEntry[]>} */
const next = (reader) => new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
