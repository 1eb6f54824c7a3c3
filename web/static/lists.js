/** What the lists of the page hold. */

/**
 * What an error says may help; hidden where it says nothing.
 * @param {HTMLElement} list
 * @param {string[]} [solutions]
 */
export function fillSolutions(list, solutions = []) {
  list.hidden = !solutions.length;
  list.replaceChildren(
    ...solutions.map((solution) => {
      const item = document.createElement('li');
      item.textContent = String(solution);
      return item;
    }),
  );
}

/**
 * Brings a list to these elements, in their order. Those that stay in place are not moved, and keep the focus.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} elements
 */
export function arrange(list, elements) {
  const wanted = new Set(elements);
  for (const element of [...list.children]) if (!wanted.has(element)) element.remove();
  elements.forEach((element, index) => {
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  });
}
