/** Words of the page: page. */

export default {
  skip: {
    ko: '질문 입력으로 건너뛰기',
    en: 'Skip to the question',
  },
  status_open: {
    ko: '연결됨',
    en: 'Connected',
  },
  status_connecting: {
    ko: '연결 중…',
    en: 'Connecting…',
  },
  status_closed: {
    ko: '연결 끊김',
    en: 'Disconnected',
  },
  status_restarting: {
    ko: '서버가 다시 시작하는 중',
    en: 'The server is restarting',
  },
  status_offline: {
    ko: '오프라인',
    en: 'Offline',
  },
  status_wait: {
    ko: '{seconds}초 뒤 다시 시도',
    en: 'trying again in {seconds} s',
  },
  reconnect: {
    ko: '다시 연결',
    en: 'Retry',
  },
  new_chat: {
    ko: '새 대화',
    en: 'New chat',
  },
  documents: {
    ko: '문서',
    en: 'Documents',
  },
  guides: {
    ko: '도움말',
    en: 'Help',
  },
  switch_lang: {
    ko: 'English',
    en: '한국어',
  },
  conversation: {
    ko: '대화',
    en: 'Conversation',
  },
  to_latest: {
    ko: '맨 아래로',
    en: 'To the newest',
  },
  loading: {
    ko: '모델을 불러오는 중입니다. 준비되면 바로 답할 수 있습니다.',
    en: 'The model is loading. It can answer as soon as it is ready.',
  },
  loading_bar: {
    ko: '준비 진행',
    en: 'Getting ready',
  },
  loading_index: {
    ko: '문서 색인을 여는 중입니다…',
    en: 'Opening the index of the documents…',
  },
  loading_model: {
    ko: '모델을 불러오는 중입니다: {model}. 준비되면 바로 답합니다.',
    en: 'Loading the model {model}. It answers as soon as it is ready.',
  },
  loading_guides: {
    ko: '도움말을 읽어 두는 중입니다: {total}개 중 {done}개.',
    en: 'Reading the guides: {done} of {total}.',
  },
  problem_guide: {
    ko: '도움말에서 해결 방법 보기',
    en: 'What to do, in the guides',
  },
  problem: {
    ko: '서버에 문제가 있습니다. {message}',
    en: 'The server has a problem. {message}',
  },
  figures: {
    ko: '문서 {documents}개 · 구절 {passages}개',
    en: 'Documents: {documents} · Passages: {passages}',
  },
  close: {
    ko: '닫기',
    en: 'Close',
  },
};
