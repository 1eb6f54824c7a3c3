/* The chosen theme, before anything is painted: a classic script in the head, which the first paint waits for. */
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  /* the browser keeps nothing: the system's theme it is */
}
