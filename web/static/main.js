/** Wires the page: the parts know nothing of each other, this module tells each what the others said. */

import { Composer } from './composer.js';
import { ConnectionStatus } from './connection.js';
import { Conversation } from './conversation.js';
import { DocumentsPanel } from './documents.js';
import { Follower } from './follow.js';
import { Health } from './health.js';
import { lang, pickLang, relabel, setLang, t } from './i18n.js';
import { newId } from './socket.js';
import { store, stored } from './storage.js';
import { FramePainter } from './stream.js';

const $ = (id) => document.getElementById(id);
const answers = $('answers');

const wanted = stored('localStorage', 'answers');
answers.value = [...answers.options].some(({ value }) => value === wanted) ? wanted : 'auto';
setLang(stored('localStorage', 'lang') ?? pickLang(navigator.languages, document.documentElement.lang));

// ---------------------------------------------------------------- the conversation that is shown

const follower = new Follower($('scroller'), $('conversation'), $('to-latest'));
const painter = new FramePainter((turns) => {
  for (const turn of turns) turn.paint();
  follower.painted();
});

/** @type {Conversation} */
let shown;

/** @param {string} session */
function open(session) {
  store('sessionStorage', 'session', session);
  const conversation = new Conversation(session, {
    touch: (turn) => painter.touch(turn),
    isReady: () => !health.isLoading,
    settings: () => ({ answers: answers.value }),
    onChange: () => conversation === shown && showState(),
    onEnd(turn) {
      if (conversation === shown) $('announcer').textContent = turn.spoken;
    },
  });
  shown = conversation;
  $('conversation').replaceChildren(conversation.element);
  $('announcer').textContent = '';
  showState();
  conversation.connect();
}

const status = new ConnectionStatus({ status: $('status'), text: $('status-text'), wait: $('status-wait'), button: $('reconnect') });
let lastState = '';

function showState() {
  const { state, isEmpty, isRunning, isStopping } = shown;
  status.show(shown);
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

const health = new Health($('notice'), () => shown.pump());
const composer = new Composer($('composer'), { onAsk: ask, onStop: () => shown.stop() });
const documents = new DocumentsPanel($('documents-panel'), () => health.read());

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
  language() {
    speak(lang() === 'ko' ? 'en' : 'ko');
    store('localStorage', 'lang', lang());
    shown.reconnectSoon();
    health.read();
  },
};
for (const [id, run] of Object.entries(clicks)) $(id).addEventListener('click', () => run());
answers.addEventListener('change', () => {
  store('localStorage', 'answers', answers.value);
  shown.reconnectSoon();
});
for (const button of document.querySelectorAll('.example')) {
  button.addEventListener('click', () => ask(t(button.dataset.i18n)));
}
addEventListener('online', () => shown.wake());
addEventListener('pageshow', (event) => event.persisted && shown.wake());
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && shown.wake());

speak(lang());
open(stored('sessionStorage', 'session') ?? newId());
health.read();
