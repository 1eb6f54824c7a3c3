/** The settings dialog. Each change counts at once and is kept. */

import { leavable } from './dialog.js';
import { label, lang, t } from './i18n.js';
import { NONE, keptOf, readPreferences, wordOf } from './preferences.js';
import { store, stored } from './storage.js';

/** @typedef {import('./preferences.js').Preferences} Preferences */
/** @typedef {{answers: 'quote'|'free'|null, temperature: number, sources: number}} Defaults what the server does by itself */

export class Settings {
  /** @type {Preferences} */
  preferences = readPreferences((key) => stored('localStorage', key));
  #dialog;
  #fields;
  #onChange;
  /** @type {Defaults} */
  #defaults = { answers: null, temperature: 0, sources: 5 };

  /**
   * @param {HTMLDialogElement} dialog
   * @param {(preferences: Preferences, before: Preferences) => void} onChange
   */
  constructor(dialog, onChange) {
    this.#dialog = dialog;
    this.#fields = dialog.querySelector('form').elements;
    this.#onChange = onChange;
    dialog.querySelector('form').addEventListener('submit', (event) => event.preventDefault());
    // Sliders tell each step as an input; some browsers tell of a choice only that it has changed.
    for (const kind of ['input', 'change']) dialog.querySelector('form').addEventListener(kind, () => this.#edited());
    dialog.querySelector('.reset').addEventListener('click', () => this.#take(NONE));
    leavable(dialog);
    this.#apply();
  }

  open() {
    this.show();
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  /** @param {Defaults|undefined} defaults */
  set defaults(defaults) {
    if (!defaults) return;
    this.#defaults = defaults;
    this.show();
  }

  /** @param {'ko'|'en'} language */
  set language(language) {
    this.#take({ ...this.preferences, lang: language });
  }

  /** Brings the fields up to date, in the language of now. */
  show() {
    const { preferences } = this;
    const fields = this.#fields;
    fields.lang.value = lang();
    fields.theme.value = preferences.theme;
    fields.answers.value = preferences.answers || 'auto';
    fields.temperature.value = String(preferences.temperature ?? this.#defaults.temperature);
    fields.sources.value = String(preferences.sources ?? this.#defaults.sources);
    fields.figures.checked = preferences.figures;
    this.#describe();
  }

  /** Says in words what the fields mean now. */
  #describe() {
    const { temperature, sources } = this.#fields;
    const warmth = Number(temperature.value);
    const said = t('temperature_said', { word: t(wordOf(warmth)), value: warmth.toFixed(1) });
    temperature.setAttribute('aria-valuetext', said);
    this.#dialog.querySelector('.temperature-said').textContent = said;
    this.#dialog.querySelector('.sources-said').textContent = sources.value;
    sources.setAttribute('aria-valuetext', sources.value);
    // Quotations are letter for letter.
    const quotes = (this.preferences.answers || this.#defaults.answers) === 'quote';
    temperature.disabled = quotes;
    label(this.#dialog.querySelector('.temperature-hint'), quotes ? 'temperature_quoted' : 'temperature_hint');
    label(this.#dialog.querySelector('.answers-hint'), this.#answersHint());
  }

  #answersHint() {
    const { answers } = this.preferences;
    if (answers) return `answers_${answers}_hint`;
    return this.#defaults.answers ? `answers_auto_${this.#defaults.answers}` : 'answers_auto_hint';
  }

  #edited() {
    const fields = this.#fields;
    const moved = (field, key) => {
      const value = Number(field.value);
      return this.preferences[key] === null && value === Number(this.#defaults[key]) ? null : value;
    };
    this.#take({
      lang: fields.lang.value === lang() ? this.preferences.lang : fields.lang.value,
      theme: fields.theme.value,
      answers: fields.answers.value === 'auto' ? '' : fields.answers.value,
      temperature: moved(fields.temperature, 'temperature'),
      sources: moved(fields.sources, 'sources'),
      figures: fields.figures.checked,
    });
  }

  /** @param {Preferences} preferences */
  #take(preferences) {
    const before = this.preferences;
    this.preferences = { ...preferences };
    for (const [key, value] of Object.entries(keptOf(this.preferences))) store('localStorage', key, value);
    this.#apply();
    this.#onChange(this.preferences, before);
    this.show();
  }

  #apply() {
    const { dataset } = document.documentElement;
    const { theme, figures } = this.preferences;
    if (theme) dataset.theme = theme;
    else delete dataset.theme;
    dataset.figures = figures ? 'on' : 'off';
  }
}
