/** The words of the page in its two languages, and the few functions that put them there. */

/** @typedef {'ko'|'en'} Lang */

/** @type {Record<Lang, Record<string, string>>} */
export const STRINGS = {
  ko: {
    skip: '질문 입력으로 건너뛰기',
    status_open: '연결됨',
    status_connecting: '연결 중…',
    status_closed: '연결 끊김',
    reconnect: '다시 연결',
    new_chat: '새 대화',
    documents: '문서',
    guides: '도움말',
    switch_lang: 'English',
    conversation: '대화',
    welcome_title: '문서에 물어보세요',
    welcome_text: '올린 문서에서 근거를 찾아, 출처와 함께 답합니다. 질문도 문서도 이 서버를 떠나지 않습니다.',
    examples: '예시 질문',
    example_1: 'RAG Standard는 무엇인가요?',
    example_2: '문서를 어떻게 추가하나요?',
    example_3: '모델을 바꾸려면 어떻게 하나요?',
    example_4: '어떤 파일 형식을 읽을 수 있나요?',
    input_label: '질문',
    input_placeholder: '문서에 대해 물어보세요',
    input_hint: 'Enter로 보내고 Shift+Enter로 줄을 바꿉니다. 답변 중에는 Esc로 멈춥니다.',
    send: '보내기',
    stop: '멈추기',
    counter: '{n} / {max}자',
    counter_over: '{n} / {max}자. {over}자를 줄여 주세요.',
    to_latest: '맨 아래로',
    you: '내 질문',
    answer: '답변',
    wait_connection: '연결되면 질문을 보냅니다…',
    wait_model: '모델이 준비되면 질문을 보냅니다…',
    wait_turn: '앞선 답변이 끝나기를 기다립니다…',
    wait_search: '문서에서 찾는 중…',
    wait_model_reads: '찾은 내용 {n}건을 모델이 읽는 중…',
    wait_answer: '모델이 답을 준비하는 중…',
    wait_stop: '멈추는 중…',
    thinking: '생각하는 중…',
    thoughts: '생각한 내용',
    stopped: '여기서 멈췄습니다.',
    interrupted: '연결이 끊겨 답변이 중단되었습니다.',
    cut: '길이 제한에 닿아 답변이 여기서 끝났습니다.',
    empty_answer: '모델이 빈 답을 보냈습니다.',
    retry: '다시 묻기',
    error_code: '오류 코드 {code}',
    sources: '출처 {n}건',
    source_page: '{page}쪽',
    open_source: '출처 {n} 열기: {title}',
    grounded: '{total}문장 중 {supported}문장을 출처에서 확인했습니다.',
    unsupported: '출처에서 확인되지 않음',
    answers_label: '답변 방식',
    answers_auto: '답변: 자동',
    answers_quote: '답변: 인용',
    answers_free: '답변: 자유',
    stats: '{seconds}초 · {tokens}토큰',
    seconds: '{seconds}초',
    loading: '모델을 불러오는 중입니다. 준비되면 바로 답할 수 있습니다.',
    problem: '서버에 문제가 있습니다. {message}',
    figures: '문서 {documents}개 · 구절 {passages}개',
    documents_title: '문서 추가',
    documents_text: '파일을 이곳에 끌어다 놓거나 골라 주세요. 올린 내용은 곧바로 답변에 쓰입니다.',
    choose_files: '파일 고르기',
    close: '닫기',
    drop_here: '놓으면 문서로 추가됩니다',
    job_waiting: '차례를 기다리는 중',
    job_uploading: '올리는 중',
    job_queued: '처리를 기다리는 중',
    job_parsing: '읽는 중',
    job_embedding: '색인 중 {done} / {total}',
    job_embedding_start: '색인 중',
    job_storing: '저장하는 중',
    job_stored: '추가됨 · 구절 {total}개',
    job_duplicate: '이미 추가되어 있음',
    job_failed: '추가하지 못했습니다',
    job_cancelled: '취소됨',
    upload_refused: '서버가 파일을 받지 않았습니다({status}).',
    upload_network: '파일을 보내지 못했습니다. 폴더가 아닌 파일인지, 서버에 연결되어 있는지 확인해 주세요.',
    progress_lost: '진행 상황을 더는 알 수 없습니다. 처리는 서버에서 계속될 수 있습니다.',
  },
  en: {
    skip: 'Skip to the question',
    status_open: 'Connected',
    status_connecting: 'Connecting…',
    status_closed: 'Disconnected',
    reconnect: 'Retry',
    new_chat: 'New chat',
    documents: 'Documents',
    guides: 'Help',
    switch_lang: '한국어',
    conversation: 'Conversation',
    welcome_title: 'Ask your documents',
    welcome_text: 'Answers come from the documents you add, with their sources. Neither questions nor documents leave this server.',
    examples: 'Example questions',
    example_1: 'What is RAG Standard?',
    example_2: 'How do I add documents?',
    example_3: 'How do I change the model?',
    example_4: 'Which file types can it read?',
    input_label: 'Question',
    input_placeholder: 'Ask about your documents',
    input_hint: 'Enter sends, Shift+Enter breaks the line. Esc stops a running answer.',
    send: 'Send',
    stop: 'Stop',
    counter: '{n} / {max} characters',
    counter_over: '{n} / {max} characters. Please remove {over}.',
    to_latest: 'To the newest',
    you: 'Your question',
    answer: 'Answer',
    wait_connection: 'Your question goes out once connected…',
    wait_model: 'Your question goes out once the model is ready…',
    wait_turn: 'Waiting for the answer before this one…',
    wait_search: 'Searching the documents…',
    wait_model_reads: 'Reading what was found ({n})…',
    wait_answer: 'Preparing the answer…',
    wait_stop: 'Stopping…',
    thinking: 'Thinking…',
    thoughts: 'Thoughts',
    stopped: 'Stopped here.',
    interrupted: 'The connection was lost before the answer ended.',
    cut: 'The answer reached its length limit here.',
    empty_answer: 'The model sent an empty answer.',
    retry: 'Ask again',
    error_code: 'Error code {code}',
    sources: 'Sources ({n})',
    source_page: 'page {page}',
    open_source: 'Open source {n}: {title}',
    grounded: '{supported} of {total} sentences are supported by the sources.',
    unsupported: 'not found in the sources',
    answers_label: 'How to answer',
    answers_auto: 'Answers: automatic',
    answers_quote: 'Answers: quoted',
    answers_free: 'Answers: free',
    stats: '{seconds} s · {tokens} tokens',
    seconds: '{seconds} s',
    loading: 'The model is loading. It can answer as soon as it is ready.',
    problem: 'The server has a problem. {message}',
    figures: 'Documents: {documents} · Passages: {passages}',
    documents_title: 'Add documents',
    documents_text: 'Drop files here or choose them. What you add is used in answers right away.',
    choose_files: 'Choose files',
    close: 'Close',
    drop_here: 'Drop to add as documents',
    job_waiting: 'Waiting its turn',
    job_uploading: 'Uploading',
    job_queued: 'Waiting to be processed',
    job_parsing: 'Reading',
    job_embedding: 'Indexing {done} / {total}',
    job_embedding_start: 'Indexing',
    job_storing: 'Saving',
    job_stored: 'Added · Passages: {total}',
    job_duplicate: 'Already added',
    job_failed: 'Could not be added',
    job_cancelled: 'Cancelled',
    upload_refused: 'The server did not accept the file ({status}).',
    upload_network: 'The file could not be sent. Check that it is a file, not a folder, and that the server can be reached.',
    progress_lost: 'Progress can no longer be followed. The server may still be working on it.',
  },
};

/** @type {Lang} */
let current = 'ko';

/** @returns {Lang} */
export const lang = () => current;

/** @param {string} value */
export function setLang(value) {
  current = value === 'en' ? 'en' : 'ko';
}

/**
 * The first wanted language the page speaks.
 * @param {readonly string[]} wanted such as `navigator.languages`
 * @param {string} otherwise
 * @returns {Lang}
 */
export function pickLang(wanted, otherwise) {
  const known = wanted.map((tag) => tag.toLowerCase().split('-')[0]).find((tag) => tag in STRINGS);
  return /** @type {Lang} */ (known ?? (otherwise === 'en' ? 'en' : 'ko'));
}

/**
 * A text in the current language, with `{name}` filled in; numbers get the language's separators.
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 * @returns {string} the key itself when there is no such text, so that a slip shows
 */
export function t(key, values = {}) {
  const text = STRINGS[current][key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === 'number' ? value.toLocaleString(current) : value;
  });
}

/** What `{name}` stands for in a labelled element, so that a language switch can write it anew. */
const valuesOf = new WeakMap();

/**
 * Writes a text into an element and remembers which, for `relabel`.
 * @param {HTMLElement} element
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 */
export function label(element, key, values) {
  element.dataset.i18n = key;
  valuesOf.set(element, values);
  element.textContent = t(key, values);
}

/**
 * The same for the name a screen reader and the tooltip give.
 * @param {HTMLElement} element
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 */
export function name(element, key, values) {
  element.dataset.i18nName = key;
  valuesOf.set(element, values);
  element.setAttribute('aria-label', t(key, values));
  if (element.matches('button, a')) element.title = t(key, values);
}

/**
 * Writes every labelled text under `root` in the current language.
 * @param {ParentNode} root
 */
export function relabel(root) {
  for (const element of root.querySelectorAll('[data-i18n]')) {
    label(element, element.dataset.i18n, valuesOf.get(element));
  }
  for (const element of root.querySelectorAll('[data-i18n-name]')) {
    name(element, element.dataset.i18nName, valuesOf.get(element));
  }
  for (const element of root.querySelectorAll('[data-i18n-placeholder]')) {
    element.placeholder = t(element.dataset.i18nPlaceholder);
  }
}
