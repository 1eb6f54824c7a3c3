/** How the person wants the page and the answers; the browser keeps it. Without a choice, the server's or the system's counts. */

/**
 * @typedef {object} Preferences
 * @property {''|'ko'|'en'} lang
 * @property {''|'light'|'dark'} theme
 * @property {''|'quote'|'free'} answers
 * @property {number|null} temperature
 * @property {number|null} sources
 * @property {boolean} figures whether answers end with how fast they were
 */

const MOST_SOURCES = 20;
/** Above it, the words of most models fall apart. */
const WARMEST = 1.5;

/** @type {Readonly<Preferences>} */
export const NONE = Object.freeze({ lang: '', theme: '', answers: '', temperature: null, sources: null, figures: false });

const oneOf = (value, allowed) => (allowed.includes(value) ? value : '');

function within(value, least, most) {
  const number = value === '' || value === null || value === undefined ? NaN : Number(value);
  return number >= least && number <= most ? number : null;
}

/**
 * What was kept, which another version or another hand may have written.
 * @param {(key: string) => string|null|undefined} get
 * @returns {Preferences}
 */
export function readPreferences(get) {
  const sources = within(get('sources'), 1, MOST_SOURCES);
  return {
    lang: oneOf(get('lang'), ['ko', 'en']),
    theme: oneOf(get('theme'), ['light', 'dark']),
    answers: oneOf(get('answers'), ['quote', 'free']),
    temperature: within(get('temperature'), 0, WARMEST),
    sources: sources === null ? null : Math.round(sources),
    figures: get('figures') === 'on',
  };
}

/** @param {Preferences} preferences @returns {Record<string, string>} what is to be kept; '' is nothing */
export function keptOf(preferences) {
  const text = (value) => (value === null ? '' : String(value));
  const kept = Object.fromEntries(Object.entries(preferences).map(([key, value]) => [key, text(value)]));
  return { ...kept, figures: preferences.figures ? 'on' : '' };
}

/**
 * The `options` of a message: only what was chosen, so that the server's settings count for the rest.
 * @param {Preferences} preferences
 * @param {string[]} [documents] ids of the chosen documents
 * @returns {Record<string, any>|undefined}
 */
export function optionsOf({ answers, temperature, sources }, documents = []) {
  const options = {};
  if (answers) options.answers = answers;
  if (temperature !== null) options.temperature = temperature;
  if (sources !== null) options.sources = sources;
  if (documents.length) options.documents = documents;
  return Object.keys(options).length ? options : undefined;
}

/** @param {number} temperature @returns {string} the key of its word */
export function wordOf(temperature) {
  if (temperature <= 0) return 'temperature_exact';
  if (temperature < 0.5) return 'temperature_steady';
  return temperature < 1 ? 'temperature_lively' : 'temperature_varied';
}
