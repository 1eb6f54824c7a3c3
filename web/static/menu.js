/** The menu of one conversation in the list. One element serves all rows. */

export class TalkMenu {
  #menu;
  #button = null;
  #id = '';

  /**
   * @param {HTMLElement} menu a popover with items that name their action in `data-action`
   * @param {(action: string, id: string) => void} onChoose
   */
  constructor(menu, onChoose) {
    this.#menu = menu;
    menu.addEventListener('keydown', (event) => this.#pressed(event));
    menu.addEventListener('toggle', ({ newState }) => {
      this.#button?.setAttribute('aria-expanded', String(newState === 'open'));
    });
    menu.addEventListener('click', (event) => {
      const { action } = event.target.closest('[data-action]')?.dataset ?? {};
      if (!action) return;
      this.#close();
      onChoose(action, this.#id);
    });
  }

  /** @param {HTMLElement} button it opens below @param {string} id the conversation */
  open(button, id) {
    this.#button = button;
    this.#id = id;
    this.#menu.showPopover();
    const at = button.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.#menu;
    const below = at.bottom + 4;
    this.#menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - offsetWidth - 8))}px`;
    this.#menu.style.top = `${below + offsetHeight < innerHeight ? below : Math.max(8, at.top - offsetHeight - 4)}px`;
    this.#items[0].focus();
  }

  get #items() {
    return [...this.#menu.querySelectorAll('[data-action]')];
  }

  #close() {
    this.#menu.hidePopover();
    this.#button.focus();
  }

  #pressed(event) {
    const items = this.#items;
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to !== undefined) items.at(to % items.length).focus();
    else if (event.key === 'Escape' || event.key === 'Tab') this.#close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
