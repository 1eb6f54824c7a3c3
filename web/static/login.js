/** The login page, which works without this module too. */

const { next } = document.getElementById('login').elements;
// The place in a page, which the server never hears of.
if (!next.value.includes('#')) next.value += location.hash;

// A link on another site brings even those here who are logged in: their cookie is not sent along with it.
const health = await fetch('health', { cache: 'no-store' }).then((response) => response.json(), () => null);
if (health && 'model' in health) location.replace(next.value);
