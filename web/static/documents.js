/** The panel of documents: adds them, follows them in, lists them, and takes files wherever they are dropped. */

import { Deletions } from './deletions.js';
import { leavable } from './dialog.js';
import { chosen, dropped, sift } from './files.js';
import { bytes } from './format.js';
import { label, lang, name } from './i18n.js';
import { FEW, Library, address, isBare, read } from './library.js';
import { Progress } from './progress.js';
import { JobStream } from './send.js';
import { store, stored } from './storage.js';
import { fromTemplate } from './template.js';
import { Uploads } from './uploads.js';

const REFRESH_MS = 2_000;
const UNDO_SHOWN = 3;

export class DocumentsPanel {
  #dialog;
  #parts;
  #uploads;
  #progress;
  #library;
  #deletions;
  #supported;
  #stream = new JobStream((event) => this.#saw(event));
  #refreshing = 0;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {object} parts
   * @param {HTMLElement} parts.opener shows that files are on their way
   * @param {import('./selection.js').Selection} parts.selection
   * @param {() => void} parts.onChange documents were added or deleted; not more than once in a while
   * @param {(document: import('./library.js').StoredDocument) => void} parts.onPreview
   */
  constructor(dialog, parts) {
    this.#dialog = dialog;
    this.#parts = parts;
    this.#supported = new Set(dialog.querySelector('.choose-files').accept.split(','));
    this.#uploads = new Uploads(this.#supported, {
      seen: stored('localStorage', 'jobs-seen') ?? '',
      onChange: () => this.#changed(),
      onStored: () => this.#refresh(),
    });
    const announcer = dialog.querySelector('.spoken');
    this.#progress = new Progress(dialog.querySelector('.progress'), announcer, this.#uploads, () => {
      store('localStorage', 'jobs-seen', this.#uploads.clear());
    });
    this.#deletions = new Deletions({
      onChange: () => this.#showUndo(),
      onEnd: (document, error) => this.#deleted(document, error),
    });
    this.#library = new Library(dialog, { ...parts, deletions: this.#deletions });
    this.#listen();
    parts.selection.subscribe(() => this.#showChosen());
    this.#stream.open(); // what was running before this page was opened is shown again
  }

  open() {
    if (this.#dialog.open) return;
    this.#dialog.showModal();
    this.#showChosen();
    this.#library.reload();
    this.#readStats();
    this.#stream.open();
  }

  /** Whether there is nothing but the guides. False where that cannot be told. */
  async isBare() {
    const first = await read(address({ page: 1, size: FEW })).catch(() => null);
    return Boolean(first) && isBare(first);
  }

  /** @param {import('./files.js').Found[]} found */
  async add(found) {
    const sifted = sift(found, this.#supported);
    this.#showSkipped(sifted);
    // A document that is to be deleted may be about to come back.
    await this.#deletions.flush();
    if (sifted.taken.length) this.#uploads.add(sifted.taken);
    this.#stream.open();
  }

  #listen() {
    const dialog = this.#dialog;
    const on = (selector, run) => dialog.querySelector(selector).addEventListener('click', run);
    for (const kind of ['files', 'folder']) {
      const input = dialog.querySelector(`.choose-${kind}`);
      on(`.open-${kind}`, () => input.click());
      input.addEventListener('change', () => {
        this.add(chosen(input.files));
        input.value = '';
      });
    }
    on('.undo-all', () => this.#undo(...this.#deletions.waiting));
    on('.choice-clear', () => this.#parts.selection.clear());
    leavable(dialog);
    dialog.addEventListener('close', () => this.#rest());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.#deletions.flush({ keepalive: true });
    });
    addEventListener('pagehide', () => this.#deletions.flush({ keepalive: true }));
    this.#acceptDrops();
  }

  /** The whole page takes files, so that nobody has to look for the right spot. */
  #acceptDrops() {
    const { classList } = document.documentElement;
    const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
    let depth = 0; // dragenter and dragleave come for every element on the way
    const leave = (event) => {
      if (hasFiles(event) && --depth <= 0) classList.remove('dropping');
    };
    addEventListener('dragenter', (event) => {
      if (!hasFiles(event)) return;
      depth++;
      classList.add('dropping');
    });
    addEventListener('dragleave', leave);
    addEventListener('dragover', (event) => hasFiles(event) && event.preventDefault());
    addEventListener('drop', async (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      classList.remove('dropping');
      const found = dropped(event.dataTransfer);
      this.open();
      this.add(await found);
    });
  }

  // ---------------------------------------------------------------- on their way in

  #saw(event) {
    this.#uploads.saw(event);
    this.#rest();
  }

  /** Nobody looks and nothing is to come: the connection is given back. */
  #rest() {
    if (!this.#dialog.open && !this.#uploads.isRunning) this.#stream.close();
  }

  #changed() {
    this.#progress.touch();
    this.#parts.opener.classList.toggle('is-busy', this.#uploads.isRunning);
  }

  #showSkipped({ hidden, unsupported, endings }) {
    const notice = this.#dialog.querySelector('.skipped');
    notice.hidden = !hidden && !unsupported;
    const key = hidden && unsupported ? 'skipped_both' : hidden ? 'skipped_hidden' : 'skipped_types';
    const types = endings.length > 8 ? [...endings.slice(0, 8), '…'] : endings;
    label(notice, key, { hidden, unsupported, types: types.join(' ') || '–' });
  }

  /** Reads the list and the figures anew, however many files come, not more than once in a while. */
  #refresh() {
    this.#refreshing ||= setTimeout(() => {
      this.#refreshing = 0;
      this.#parts.onChange();
      if (!this.#dialog.open) return;
      this.#library.reload();
      this.#readStats();
    }, REFRESH_MS);
  }

  // ---------------------------------------------------------------- out again

  #showUndo() {
    const waiting = this.#deletions.waiting;
    const box = this.#dialog.querySelector('.undo');
    box.hidden = !waiting.length;
    const list = box.querySelector('ul');
    const kept = new Map([...list.children].map((element) => [element.dataset.id, element]));
    const rows = waiting.slice(0, UNDO_SHOWN).map((doomed) => kept.get(doomed.id) ?? this.#undoRow(doomed));
    const hadFocus = box.contains(document.activeElement);
    list.replaceChildren(...rows);
    box.querySelector('.undo-more').hidden = waiting.length <= UNDO_SHOWN;
    label(box.querySelector('.undo-more'), 'deleted_more', { n: waiting.length - UNDO_SHOWN });
    box.querySelector('.undo-all').hidden = waiting.length < 2;
    if (hadFocus && !box.contains(document.activeElement)) this.#dialog.querySelector('.find').focus();
    this.#library.repaint();
  }

  #undoRow(doomed) {
    const row = fromTemplate('undo-template');
    row.dataset.id = doomed.id;
    label(row.querySelector('.undo-text'), 'deleted_one', { name: doomed.name });
    const button = row.querySelector('button');
    name(button, 'undo_one', { name: doomed.name });
    button.addEventListener('click', () => this.#undo(doomed));
    return row;
  }

  #undo(...documents) {
    for (const { id, name: title, wasChosen } of documents) {
      if (this.#deletions.undo(id) && wasChosen) this.#parts.selection.toggle(id, title);
    }
    if (documents.length) this.#library.focus(documents.at(-1).id);
  }

  #deleted(document, error) {
    if (error) this.#library.failed(document.id, error);
    this.#refresh();
  }

  // ---------------------------------------------------------------- figures and choice

  async #readStats() {
    const stats = await read('documents/stats').catch(() => null);
    if (!stats) return;
    const figures = this.#dialog.querySelector('.storage');
    label(figures, 'storage', {
      documents: stats.documents,
      passages: stats.passages,
      originals: bytes(stats.originals_bytes, lang()),
      index: bytes(stats.index_bytes, lang()),
    });
    const { rebuilding } = stats;
    const box = this.#dialog.querySelector('.rebuilding');
    box.hidden = !rebuilding;
    if (!rebuilding) return;
    label(box.querySelector('span'), 'rebuilding', rebuilding);
    box.querySelector('progress').max = rebuilding.total || 1;
    box.querySelector('progress').value = rebuilding.done;
    if (this.#dialog.open) this.#refresh();
  }

  #showChosen() {
    const { size } = this.#parts.selection;
    this.#dialog.querySelector('.choice').hidden = !size;
    label(this.#dialog.querySelector('.choice-text'), size === 1 ? 'choice_one' : 'choice', { n: size });
  }
}
