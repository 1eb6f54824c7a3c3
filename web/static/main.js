/** Wires the page: the parts know nothing of each other, this module tells each what the others said. */

import { showChoice } from './chip.js';
import { FramePainter } from './client.js';
import { Composer } from './composer.js';
import { ConnectionStatus } from './connection.js';
import { ConversationList } from './conversations.js';
import { Desk } from './desk.js';
import { DocumentsPanel } from './documents.js';
import { logOut } from './door.js';
import { Follower } from './follow.js';
import { Health } from './health.js';
import { openHistory } from './history.js';
import { lang, pickLang, relabel, setLang, t } from './i18n.js';
import { Keeper } from './keeper.js';
import { optionsOf } from './preferences.js';
import { Selection, remembered } from './selection.js';
import { Settings } from './settings.js';
import { shortcutOf } from './shortcuts.js';
import { Sidebar } from './sidebar.js';
import { SourcesPanel } from './sources.js';
import { StatsPanel, readStats, showMachine } from './stats.js';
import { store, stored } from './storage.js';
import { thisTab } from './tab.js';

const $ = (id) => document.getElementById(id);
// What a duplicated tab has stored is the session of another.
const { id: tab, isCopy } = await thisTab();

const settings = new Settings($('settings-panel'), (now, before) => {
  if (now.lang !== before.lang) changeLang(wantedLang());
});
const wantedLang = () => settings.preferences.lang || pickLang(navigator.languages, document.documentElement.lang);
setLang(wantedLang());

// ---------------------------------------------------------------- conversations

const follower = new Follower($('scroller'), $('conversation'), $('to-latest'));
const painter = new FramePainter((turns) => {
  for (const turn of turns) turn.paint();
});

const keeper = new Keeper(openHistory(), {
  onChange: () => list.render(),
  onTold: (id) => desk.told(id),
  onGone: (id) => desk.end(id),
});

const desk = new Desk($('conversation'), keeper, {
  tab,
  touch: (turn) => painter.touch(turn),
  isReady: () => health.isReady,
  options: (session) => optionsOf(settings.preferences, selection.idsOf(session)),
  onChange: showState,
  onCite: (answer, number) => sources.open(answer, number),
  onShow() {
    selection.show(desk.shown.session);
    sources.close();
    follower.follow = true;
    if (desk.shown.isLoading) follower.hold();
    else follower.release();
    $('announcer').textContent = '';
    composer.draft = desk.draft;
    showState();
  },
  onRestored: () => follower.release(),
  onEnd(turn) {
    $('announcer').textContent = turn.spoken;
    sources.follow(turn.answer);
  },
});

const list = new ConversationList($('sidebar'), {
  read: () => ({ heads: [...keeper.heads.values()], shown: desk.shown?.session, running: desk.running, lasts: keeper.lasts }),
  search: (query) => keeper.search(query),
  onOpen(id) {
    desk.show(id);
    sidebar.closeDrawer();
  },
  onRename: (id, title) => keeper.rename(id, title),
  onDelete(id) {
    keeper.delete(id);
    if (id === desk.shown.session) desk.showNew();
  },
  onUndo: (id) => keeper.undo(id),
  async onExport(id, kind) {
    keeper.flush();
    const head = keeper.heads.get(id);
    if (!head) return;
    const { save } = await import('./export.js');
    save(kind, head, await keeper.turns(id));
  },
});

const status = new ConnectionStatus({ status: $('status'), text: $('status-text'), wait: $('status-wait'), button: $('reconnect') });
let lastState = 'closed';
let lastRunning = '';

function showState() {
  const { state, isEmpty, isRunning, isStopping } = desk.shown;
  status.show(desk.shown);
  $('welcome').hidden = !isEmpty;
  $('stop').hidden = !isRunning;
  $('stop').disabled = isStopping;
  // A lost one may have been refused for want of a login, which a socket does not tell.
  if (state !== 'connecting' && state !== lastState) health.read();
  lastState = state;
  const running = [desk.shown.session, ...desk.running].join(' ');
  if (running !== lastRunning) list.render();
  lastRunning = running;
}

/** @param {string} question */
function ask(question) {
  follower.follow = true;
  desk.shown.ask(question);
}

function newChat() {
  desk.showNew();
  selection.clear();
  sidebar.closeDrawer();
  composer.focus();
}

// ---------------------------------------------------------------- the other parts

const stats = new StatsPanel($('stats-panel'));
let isKnown = false;
const health = new Health($('notice'), async () => {
  desk.each((conversation) => conversation.pump());
  showFirstSteps();
  const { status, documents, key_required: isLocked } = health.last ?? {};
  $('log-out').hidden = !isLocked;
  // Without the guides nothing would be found for them.
  document.querySelector('.examples').hidden = status === 'ok' && documents === 0;
  if (status !== 'ok') isKnown = false; // it may come back with another model
  if (isKnown || status !== 'ok') return;
  const told = await readStats();
  isKnown = Boolean(told);
  settings.defaults = told?.defaults;
  if (told) showMachine($('machine'), told);
});
const composer = new Composer($('composer'), {
  onAsk: ask,
  onStop: () => desk.shown.stop(),
  onDraft: (text) => desk.keepDraft(desk.shown.session, text),
});
const sidebar = new Sidebar($('sidebar'), $('sidebar-button'));
// Most visits open no document: the viewer is fetched for the first one.
let fetching;
const viewer = () => (fetching ??= import('./viewer.js').then(({ DocumentViewer }) => new DocumentViewer($('viewer'))));
const openDocument = async (document, place) => (await viewer()).open(document, place);
const sources = new SourcesPanel($('sources-panel'), openDocument);
const selection = new Selection(remembered(stored('localStorage', 'chosen')), (kept) =>
  store('localStorage', 'chosen', JSON.stringify(kept)),
);
const documents = new DocumentsPanel($('documents-panel'), {
  opener: $('documents'),
  selection,
  onChange: () => health.read(),
  onPreview: ({ id }) => openDocument(id),
});
showChoice($('chosen'), selection, { onOpen: () => documents.open(), onClear: () => composer.focus() });

/** Who has added nothing yet is told how. */
async function showFirstSteps() {
  $('first-steps').hidden = health.isLoading || !(await documents.isBare());
}

function changeLang(language) {
  if (language === lang()) return;
  speak(language);
  desk.each((conversation) => conversation.speak());
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
  stop: () => desk.shown.stop(),
  'new-chat': newChat,
  reconnect: () => desk.shown.reconnect(),
  documents: () => documents.open(),
  'first-documents': () => documents.open(),
  settings: () => settings.open(),
  stats: () => stats.open(),
  'settings-stats'() {
    $('settings-panel').close();
    stats.open();
  },
  'log-out': () => logOut(),
  language() {
    settings.language = lang() === 'ko' ? 'en' : 'ko';
  },
};
for (const [id, run] of Object.entries(clicks)) $(id).addEventListener('click', () => run());
for (const button of document.querySelectorAll('.example')) {
  button.addEventListener('click', () => ask(t(button.dataset.i18n)));
}
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' || keeper.flush());
addEventListener('pagehide', () => keeper.leave());
addEventListener('keydown', (event) => {
  const run = { new: newChat, question: () => composer.focus() }[shortcutOf(event)];
  if (!run) return;
  event.preventDefault();
  run();
});

speak(lang());
desk.begin(isCopy);
keeper.load().then(() => desk.tidyDrafts());
health.read();
const restore = async () => location.hash && (await viewer()).restore();
addEventListener('popstate', () => fetching || restore());
restore();
