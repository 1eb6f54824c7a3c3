/** How the panels of the page are left. */

/**
 * By the button, and by a click beside the panel; the browser adds the Escape key.
 * @param {HTMLDialogElement} dialog
 * @param {() => void} [leave]
 */
export function leavable(dialog, leave = () => dialog.close()) {
  dialog.querySelector('.close').addEventListener('click', leave);
  dialog.addEventListener('click', (event) => {
    // Only a click on the backdrop has the dialog itself as its target.
    if (event.target === dialog && dialog.matches(':modal')) leave();
  });
}
