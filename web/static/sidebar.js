/** The column beside the conversation, which folds away; on narrow pages a drawer over it. */

import { store, stored } from './storage.js';

const WIDE = '(min-width: 900px)';

export class Sidebar {
  #aside;
  #button;
  #backdrop = document.getElementById('sidebar-backdrop');
  #newChat = document.getElementById('new-chat');
  #wide = matchMedia(WIDE);

  /**
   * @param {HTMLElement} aside
   * @param {HTMLButtonElement} button opens and folds it
   */
  constructor(aside, button) {
    this.#aside = aside;
    this.#button = button;
    button.addEventListener('click', () => this.#toggle());
    aside.querySelector('.sidebar-close').addEventListener('click', () => this.#toggle());
    this.#backdrop.addEventListener('click', () => this.closeDrawer());
    aside.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.defaultPrevented || this.#wide.matches) return;
      event.preventDefault();
      this.closeDrawer();
    });
    this.#wide.addEventListener('change', () => this.#begin());
    this.#begin();
  }

  #begin() {
    this.#set(this.#wide.matches && stored('localStorage', 'sidebar') !== 'folded');
  }

  #toggle() {
    const open = this.#aside.hidden;
    if (this.#wide.matches) store('localStorage', 'sidebar', open ? 'open' : 'folded');
    this.#set(open);
    if (open) this.#newChat.focus();
    else this.#button.focus();
  }

  /** After something was chosen in it. */
  closeDrawer() {
    if (this.#wide.matches || this.#aside.hidden) return;
    this.#set(false);
    this.#button.focus();
  }

  #set(open) {
    const drawer = open && !this.#wide.matches;
    this.#aside.hidden = !open;
    this.#backdrop.hidden = !drawer;
    this.#button.hidden = open && !drawer;
    this.#button.setAttribute('aria-expanded', String(open));
    for (const other of document.querySelectorAll('.bar, .scroller, .dock')) other.inert = drawer;
    // There is one such button: at the head of the open column, else in the bar.
    if (open) this.#aside.querySelector('.sidebar-head').prepend(this.#newChat);
    else document.querySelector('.actions').prepend(this.#newChat);
  }
}
