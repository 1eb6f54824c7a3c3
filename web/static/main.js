/** Wires the page: the parts know nothing of each other, this module tells each what the others said. */

import { showChoice } from './chip.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { DocumentsPanel } from './documents.js';
import { Follower } from './follow.js';
import { Health } from './health.js';
import { label, lang, pickLang, relabel, setLang, t } from './i18n.js';
import { optionsOf } from './preferences.js';
import { Selection, remembered } from './selection.js';
import { Settings } from './settings.js';
import { newId } from './socket.js';
import { SourcesPanel } from './sources.js';
import { StatsPanel, readStats, showMachine } from './stats.js';
import { store, stored } from './storage.js';
import { FramePainter } from './stream.js';
import { DocumentViewer } from './viewer.js';

const $ = (id) => document.getElementById(id);

const settings = new Settings($('settings-panel'), (now, before) => {
  if (now.lang !== before.lang) changeLang(wantedLang());
});
const wantedLang = () => settings.preferences.lang || pickLang(navigator.languages, document.documentElement.lang);
setLang(wantedLang());

// ---------------------------------------------------------------- the conversation that is shown

const follower = new Follower($('scroller'), $('conversation'), $('to-latest'));
const painter = new FramePainter((turns) => {
  for (const turn of turns) turn.paint();
});

/** @type {Conversation} */
let shown;

/** @param {string} session */
function open(session) {
  store('sessionStorage', 'session', session);
  const conversation = new Conversation(session, {
    touch: (turn) => painter.touch(turn),
    isReady: () => !health.isLoading,
    options: () => optionsOf(settings.preferences, selection.idsOf(session)),
    onChange: () => conversation === shown && showState(),
    onEnd(turn) {
      if (conversation !== shown) return;
      $('announcer').textContent = turn.spoken;
      sources.follow(turn.answer);
    },
    onCite: (answer, number) => sources.open(answer, number),
  });
  shown = conversation;
  selection.show(session);
  sources.close();
  $('conversation').replaceChildren(conversation.element);
  $('announcer').textContent = '';
  showState();
  conversation.connect();
}

let lastState = '';

function showState() {
  const { state, isEmpty, isRunning, isStopping } = shown;
  $('status').dataset.state = state;
  label($('status-text'), `status_${state}`);
  $('reconnect').hidden = state !== 'closed';
  $('welcome').hidden = !isEmpty;
  $('stop').hidden = !isRunning;
  $('stop').disabled = isStopping;
  if (state === 'open' && state !== lastState) health.read();
  lastState = state;
}

/** @param {string} question */
function ask(question) {
  follower.follow = true;
  shown.ask(question);
}

function newChat() {
  shown.close();
  open(newId());
  composer.focus();
}

// ---------------------------------------------------------------- the other parts

const stats = new StatsPanel($('stats-panel'));
let isKnown = false;
const health = new Health($('notice'), async () => {
  shown.pump();
  showFirstSteps();
  const { status, documents } = health.last ?? {};
  // Without the guides nothing would be found for them.
  document.querySelector('.examples').hidden = status === 'ok' && documents === 0;
  if (isKnown || status !== 'ok') return;
  const told = await readStats();
  isKnown = Boolean(told);
  settings.defaults = told?.defaults;
  if (told) showMachine($('machine'), told);
});
const composer = new Composer($('composer'), { onAsk: ask, onStop: () => shown.stop() });
const viewer = new DocumentViewer($('viewer'));
const sources = new SourcesPanel($('sources-panel'), (document, place) => viewer.open(document, place));
const selection = new Selection(remembered(stored('localStorage', 'chosen')), (kept) =>
  store('localStorage', 'chosen', JSON.stringify(kept)),
);
const documents = new DocumentsPanel($('documents-panel'), {
  opener: $('documents'),
  selection,
  onChange: () => health.read(),
  onPreview: ({ id }) => viewer.open(id),
});
showChoice($('chosen'), selection, { onOpen: () => documents.open(), onClear: () => composer.focus() });

/** Who has added nothing yet is told how. */
async function showFirstSteps() {
  $('first-steps').hidden = health.isLoading || !(await documents.isBare());
}

function changeLang(language) {
  if (language === lang()) return;
  speak(language);
  shown.reconnectSoon();
  health.read();
}

function speak(language) {
  setLang(language);
  document.documentElement.lang = lang();
  relabel(document);
  $('guides').href = `guides?lang=${lang()}`;
  $('language').lang = lang() === 'ko' ? 'en' : 'ko';
}

const clicks = {
  stop: () => shown.stop(),
  'new-chat': newChat,
  reconnect: () => shown.reconnect(),
  documents: () => documents.open(),
  'first-documents': () => documents.open(),
  settings: () => settings.open(),
  stats: () => stats.open(),
  'settings-stats'() {
    $('settings-panel').close();
    stats.open();
  },
  language() {
    settings.language = lang() === 'ko' ? 'en' : 'ko';
  },
};
for (const [id, run] of Object.entries(clicks)) $(id).addEventListener('click', () => run());
for (const button of document.querySelectorAll('.example')) {
  button.addEventListener('click', () => ask(t(button.dataset.i18n)));
}
addEventListener('online', () => shown.connect());
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && shown.connect());

speak(lang());
open(stored('sessionStorage', 'session') ?? newId());
health.read();
viewer.restore();
