/** Has the browser save something. The one link of the page that does it: rows have none, so that no text becomes an address. */

/**
 * @param {string} address
 * @param {string} [name] of the file; without it the server names it
 */
export function download(address, name = '') {
  const link = document.getElementById('download');
  link.href = address;
  link.download = name;
  link.click();
  link.removeAttribute('href');
}
