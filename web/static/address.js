/** Addresses in Markdown, and which of them a person may be led to. Pure. */

/** What stands behind the text of a link, `<address>`, and an address in plain text. */
export const TARGET = /\(\s*(?:<([^<>\n]*)>|([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*))(?:\s+(?:"[^"\n]*"|'[^'\n]*'))?\s*\)/y;
export const AUTOLINK = /<((?:https?:\/\/|mailto:)[^\s<>]+)>/y;
export const ADDRESS = /https?:\/\/[\w\-.~:/?#@!$&'()+,;=%]+/y;

/** An address without the marks that end the sentence around it. @param {string} text */
export function withoutEnd(text) {
  let address = text.replace(/[.,:;!?']+$/, '');
  while (address.endsWith(')') && address.split(')').length > address.split('(').length) address = address.slice(0, -1);
  return address;
}

/** @param {string} address @returns {string} the address in its plain form if a person may go there; otherwise "" */
export function hrefOf(address) {
  if (!/^(?:https?:\/\/|mailto:)/i.test(address)) return '';
  try {
    return new URL(address).href;
  } catch {
    return '';
  }
}
