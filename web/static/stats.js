/** The view of live figures: the model, the machine, and how it went in the last hour. Asks only while it is seen. */

import { leavable } from './dialog.js';
import { guardedFetch } from './door.js';
import { bytes } from './format.js';
import { label, lang, t } from './i18n.js';
import { fromTemplate } from './template.js';

const EVERY_MS = 3_000;

/** @param {number} value */
const number = (value, digits = 0) => value.toLocaleString(lang(), { maximumFractionDigits: digits });

/** @param {number} size bytes */
const sayBytes = (size) => bytes(size, lang());

/** A count of parameters as people say it: 135M, 7.2B. @param {number} count */
export function sayParameters(count) {
  return count >= 1e9 ? `${number(count / 1e9, 1)}B` : `${number(count / 1e6)}M`;
}

/** @param {number} seconds */
export function sayTime(seconds) {
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return t('days_hours', { days, hours });
  return hours ? t('hours_minutes', { hours, minutes }) : t('minutes', { minutes });
}

/** Milliseconds; from a second on as seconds. @param {number} ms */
const sayMs = (ms) => (ms >= 1000 ? t('seconds', { seconds: number(ms / 1000, 1) }) : `${number(ms, ms < 10 ? 1 : 0)} ms`);

/** The plots in their order: how a value is said, whether each point is an event of its own, and what the axis counts in. */
const PLOTS = {
  tokens_per_second: { say: (value) => number(value, value < 10 ? 1 : 0), apart: true },
  first_token_ms: { say: sayMs, apart: true },
  queue: { say: (value) => number(value, 1) },
  memory_bytes: { say: sayBytes, unit: (most) => (most >= 2 ** 30 ? 2 ** 30 : 2 ** 20) },
  passages: { say: (value) => number(value) },
  loop_lag_ms: { say: sayMs },
};

/** @param {any} stats @returns {[string, string][]} keys of names, and what is told */
export function facts(stats) {
  const { model, embed_model, hardware, queue, memory, totals } = stats;
  const told = [
    ['stats_model', [model.name, model.parameters && sayParameters(model.parameters)]],
    ['stats_context', [model.context && t('stats_tokens', { n: model.context })]],
    ['stats_embed', [embed_model.name]],
    ['stats_cpu', [hardware.cpu, t('stats_cores', { n: hardware.cores }), t(hardware.gpu ? 'stats_gpu' : 'stats_no_gpu')]],
    [
      'stats_memory',
      [
        memory.process_bytes && t('stats_held', { size: sayBytes(memory.process_bytes) }),
        memory.free_bytes && t('stats_free', { size: sayBytes(memory.free_bytes) }),
        hardware.memory_bytes && t('stats_all', { size: sayBytes(hardware.memory_bytes) }),
      ],
    ],
    ['stats_index', [t('figures', { documents: stats.documents, passages: stats.passages })]],
    ['stats_load', [t('stats_queue', queue)]],
    ['stats_since', [sayTime(stats.uptime_seconds), t('stats_answers', { n: totals.answers }), totals.errors && t('stats_errors', { n: totals.errors })]],
  ];
  return told.map(([key, parts]) => [key, parts.filter(Boolean).join(' · ')]).filter(([, text]) => text);
}

/** What computes the answers, in a few words. @param {HTMLElement} element @param {any} stats */
export function showMachine(element, { hardware }) {
  label(element, hardware.gpu ? 'machine_gpu' : 'machine', { cores: hardware.cores });
  element.title = hardware.cpu;
}

/** @returns {Promise<any|null>} */
export async function readStats() {
  try {
    const response = await guardedFetch('stats', { cache: 'no-store' });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

export class StatsPanel {
  #plot = null;
  #dialog;
  #timer;
  #isReading = false;

  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.#dialog = dialog;
    dialog.querySelector('.plots').append(...Object.keys(PLOTS).map((key) => this.#newPlot(key)));
    leavable(dialog);
    dialog.addEventListener('close', () => clearTimeout(this.#timer));
    document.addEventListener('visibilitychange', () => this.#refresh());
  }

  open() {
    if (this.#dialog.open) return;
    this.#dialog.showModal();
    this.#refresh();
  }

  #newPlot(key) {
    const figure = fromTemplate('plot-template');
    figure.dataset.plot = key;
    label(figure.querySelector('.plot-title'), `plot_${key}`);
    return figure;
  }

  async #refresh() {
    clearTimeout(this.#timer);
    if (this.#isReading || !this.#isSeen) return;
    this.#isReading = true;
    // Most visits draw nothing.
    this.#plot ??= await import('./plot.js');
    const stats = await readStats();
    this.#isReading = false;
    if (!this.#isSeen) return;
    this.#dialog.querySelector('.stats-away').hidden = Boolean(stats);
    if (stats) this.#show(stats);
    this.#timer = setTimeout(() => this.#refresh(), EVERY_MS);
  }

  get #isSeen() {
    return this.#dialog.open && document.visibilityState === 'visible';
  }

  #show(stats) {
    const list = this.#dialog.querySelector('.stats-facts');
    const rows = facts(stats).map(([key, text]) => {
      const row = document.createElement('div');
      const term = document.createElement('dt');
      const said = document.createElement('dd');
      label(term, key);
      said.textContent = text;
      row.append(term, said);
      return row;
    });
    list.replaceChildren(...rows);
    for (const key of Object.keys(PLOTS)) this.#showPlot(key, stats.series[key]?.points ?? [], stats.now);
  }

  #showPlot(key, points, now) {
    const { draw, summary } = this.#plot;
    const { say, apart, unit } = PLOTS[key];
    const figure = this.#dialog.querySelector(`[data-plot="${key}"]`);
    const found = summary(points.map(([, value]) => value));
    const svg = figure.querySelector('svg');
    figure.querySelector('.plot-last').textContent = found ? t(`last_${key}`, { value: say(found.last) }) : t('plot_none');
    const words = found && { min: say(found.min), median: say(found.median), max: say(found.max) };
    figure.querySelector('.plot-range').textContent = words ? t('plot_range', words) : '';
    svg.setAttribute('aria-label', [t(`plot_${key}`), words ? t('plot_range', words) : t('plot_none')].join(': '));
    const sayBack = (minutes) => t('plot_back', { minutes });
    draw(svg, { points, now, say, sayBack, sayNow: t('plot_now'), apart, unit });
  }
}
