/** Wires the page: the parts know nothing of each other, this module tells each what the others said. */

import { DocumentsPanel } from './documents.js';
import { label, lang, pickLang, relabel, setLang, t } from './i18n.js';
import { ChatSocket, newId, socketUrl } from './socket.js';
import { FramePainter, hasEnded, interrupt, newAnswer, reduce, stop } from './stream.js';
import { Turn } from './turn.js';

const MAX_LENGTH = 10_000;
const COUNT_FROM = 9_000;
const HEALTH_LOADING_MS = 1_500;
const HEALTH_PROBLEM_MS = 5_000;

const $ = (id) => document.getElementById(id);
const input = $('chat-input');
const scroller = $('scroller');
const log = $('log');
const answers = $('answers');

/** Browsers may refuse storage (private windows, blocked cookies); the page then forgets, and works on. */
const stored = (storage, key) => {
  try {
    return globalThis[storage].getItem(key);
  } catch {
    return null;
  }
};
const store = (storage, key, value) => {
  try {
    globalThis[storage].setItem(key, value);
  } catch {
    /* see above */
  }
};

let session = stored('sessionStorage', 'session') ?? newId();
store('sessionStorage', 'session', session);
const wanted = stored('localStorage', 'answers');
answers.value = [...answers.options].some(({ value }) => value === wanted) ? wanted : 'auto';
setLang(stored('localStorage', 'lang') ?? pickLang(navigator.languages, document.documentElement.lang));

/** Turns whose answers have not ended, in the order they were asked; one at a time is with the server. @type {Turn[]} */
let live = [];
let modelLoading = false;
let reconnectWhenIdle = false;

const withServer = () => live.find((turn) => turn.sent);

// ---------------------------------------------------------------- asking

/** @param {string} question @param {Turn} [again] the turn to answer anew */
function ask(question, again) {
  const answer = newAnswer(newId(), question);
  const turn = again ?? new Turn(answer, (failed) => ask(question, failed));
  if (again) again.begin(answer);
  else log.append(turn.element);
  live.push(turn);
  $('welcome').hidden = true;
  if (!again) view.follow = true;
  pump();
}

/** Hands the next question to the server when everything is ready for it, and says what the others wait for. */
function pump() {
  for (const turn of live) {
    if (turn.sent) continue;
    const { messageId, question: content } = turn.answer;
    if (withServer()) turn.waitsFor = 'turn';
    else if (socket.state !== 'open') turn.waitsFor = 'connection';
    else if (modelLoading) turn.waitsFor = 'model';
    else turn.sent = socket.ask({ messageId, content, sessionId: session });
  }
  changed(...live);
}

/** Takes over a turn's new state. @param {Turn} turn @param {import('./stream.js').Answer} answer */
function progress(turn, answer) {
  turn.answer = answer;
  changed(turn);
  if (!hasEnded(answer)) return;
  turn.paint(); // not a frame later: the answer and the buttons should agree
  live = live.filter((other) => other !== turn);
  $('announcer').textContent = turn.spoken;
  if (reconnectWhenIdle && !withServer()) reconnect();
  pump();
}

function changed(...turns) {
  for (const turn of turns) painter.touch(turn);
  $('stop').hidden = live.length === 0;
  $('stop').disabled = Boolean(live[0]?.stopping);
}

/** Stops the oldest answer; the next question, if there is one, then has its turn. */
function stopOldest() {
  const turn = live[0];
  if (!turn || turn.stopping) return;
  if (!turn.sent) return progress(turn, stop(turn.answer));
  turn.stopping = socket.cancel(turn.answer.messageId);
  changed(turn);
}

function newChat() {
  const turn = withServer();
  if (turn) socket.cancel(turn.answer.messageId);
  live = [];
  session = newId();
  store('sessionStorage', 'session', session);
  log.replaceChildren();
  $('announcer').textContent = '';
  $('welcome').hidden = false;
  changed();
  reconnect();
  input.focus();
}

// ---------------------------------------------------------------- the connection

const socket = new ChatSocket({
  url: () => socketUrl(document.baseURI, { session, lang: lang(), answers: answers.value }),
  onState(state) {
    const status = $('status');
    status.dataset.state = state;
    label($('status-text'), `status_${state}`);
    $('reconnect').hidden = state !== 'closed';
    const turn = state === 'open' ? undefined : withServer();
    if (turn) progress(turn, interrupt(turn.answer));
    if (state === 'open') readHealth();
    pump();
  },
  onEvent(event) {
    const turn = event.message_id === 'unknown' ? withServer() : live.find(({ answer }) => answer.messageId === event.message_id);
    if (turn?.sent) progress(turn, reduce(turn.answer, event));
  },
});

function reconnect() {
  reconnectWhenIdle = false;
  socket.reconnect();
}

/** The server learns the language and the way to answer in the handshake; a running answer may finish first. */
function reconnectSoon() {
  if (withServer()) reconnectWhenIdle = true;
  else reconnect();
}

// ---------------------------------------------------------------- health

let healthTimer;
let healthAsked = 0;

async function readHealth() {
  clearTimeout(healthTimer);
  const mine = ++healthAsked;
  let health = null;
  try {
    const response = await fetch('health', { headers: { 'Accept-Language': lang() }, cache: 'no-store' });
    health = await response.json();
  } catch {
    /* the connection state already says that the server is away */
  }
  if (mine !== healthAsked) return; // a later question will have the fresher answer
  const status = health?.status ?? 'unknown';
  modelLoading = status === 'loading';
  showHealth(health, status);
  const again = { ok: 0, loading: HEALTH_LOADING_MS }[status] ?? HEALTH_PROBLEM_MS;
  if (again) healthTimer = setTimeout(readHealth, again);
  pump();
}

function showHealth(health, status) {
  const notice = $('notice');
  notice.hidden = status === 'ok' || status === 'unknown';
  if (modelLoading) label(notice, 'loading');
  else if (!notice.hidden) label(notice, 'problem', { message: String(health.error?.message ?? status) });
  if (!health) return;
  $('model').textContent = String(health.model?.name ?? health.model ?? '');
  const { documents, passages } = health;
  if (Number.isFinite(documents)) label($('figures'), 'figures', { documents, passages: passages ?? 0 });
}

// ---------------------------------------------------------------- the view

/** Follows the newest text until the person scrolls away from it. */
const view = {
  follow: true,
  toEnd() {
    scroller.scrollTop = scroller.scrollHeight;
  },
  look() {
    const below = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    view.follow = below < 40;
    $('to-latest').hidden = below < 160;
  },
};

const painter = new FramePainter((turns) => {
  for (const turn of turns) turn.paint();
  if (view.follow) view.toEnd();
  else view.look();
});

scroller.addEventListener('scroll', view.look, { passive: true });
// Opening a source makes the page longer without a scroll: it is read now, so stay there.
log.addEventListener('toggle', view.look, { capture: true });
new ResizeObserver(() => view.follow && view.toEnd()).observe(scroller);

// ---------------------------------------------------------------- the question box

/** Code points, as the server counts them; UTF-16 units only while they cannot reach the limit. */
const lengthOf = (text) => (text.length < COUNT_FROM ? text.length : [...text].length);

function edited() {
  const n = lengthOf(input.value.trim());
  const over = n - MAX_LENGTH;
  const counter = $('counter');
  counter.hidden = n < COUNT_FROM;
  counter.classList.toggle('over', over > 0);
  label(counter, over > 0 ? 'counter_over' : 'counter', { n, max: MAX_LENGTH, over });
  input.setAttribute('aria-invalid', String(over > 0));
  $('send').disabled = n === 0 || over > 0;
  input.style.height = 'auto';
  input.style.height = `${input.scrollHeight}px`;
}

function send() {
  const question = input.value.trim();
  const n = lengthOf(question);
  if (n === 0 || n > MAX_LENGTH) return;
  ask(question);
  input.value = '';
  edited();
  input.focus();
}

input.addEventListener('input', edited);
input.addEventListener('keydown', (event) => {
  // While an input method composes a syllable, Enter and Escape are its own; some browsers only say so with 229.
  if (event.isComposing || event.keyCode === 229) return;
  if (event.key === 'Enter' && !event.shiftKey) {
    event.preventDefault();
    send();
  } else if (event.key === 'Escape') stopOldest();
});
$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  send();
});

// ---------------------------------------------------------------- language and the rest

function speak(language) {
  setLang(language);
  document.documentElement.lang = lang();
  relabel(document);
  $('guides').href = `guides?lang=${lang()}`;
  $('language').lang = lang() === 'ko' ? 'en' : 'ko';
}

const documents = new DocumentsPanel($('documents-panel'), readHealth);

const clicks = {
  'to-latest': () => {
    view.follow = true;
    view.toEnd();
  },
  stop: stopOldest,
  'new-chat': newChat,
  reconnect,
  documents: () => documents.open(),
  language() {
    speak(lang() === 'ko' ? 'en' : 'ko');
    store('localStorage', 'lang', lang());
    reconnectSoon();
    readHealth();
  },
};
for (const [id, run] of Object.entries(clicks)) $(id).addEventListener('click', () => run());
answers.addEventListener('change', () => {
  store('localStorage', 'answers', answers.value);
  reconnectSoon();
});
for (const button of document.querySelectorAll('.example')) {
  button.addEventListener('click', () => ask(t(button.dataset.i18n)));
}
addEventListener('online', () => socket.connect());
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && socket.connect());

speak(lang());
edited();
socket.connect();
readHealth();
