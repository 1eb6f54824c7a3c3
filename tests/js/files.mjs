/** The files of the page, for tests of what all of them hold. */

import { readFileSync, readdirSync } from 'node:fs';

const web = new URL('../../web/', import.meta.url);

/**
 * @param {'static'|'templates'} folder
 * @returns {{name: string, text: string}[]} with those in folders below
 */
export const pageFiles = (folder) =>
  readdirSync(new URL(`${folder}/`, web), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.path ?? entry.parentPath}/${entry.name}`)
    .map((path) => ({ name: path.slice(path.lastIndexOf(`/${folder}/`) + 1), text: readFileSync(path, 'utf8') }));
