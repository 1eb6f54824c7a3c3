/** Words of the page: chat. */

export default {
  you: {
    ko: '내 질문',
    en: 'Your question',
  },
  answer: {
    ko: '답변',
    en: 'Answer',
  },
  wait_connection: {
    ko: '연결되면 질문을 보냅니다…',
    en: 'Your question goes out once connected…',
  },
  wait_model: {
    ko: '모델이 준비되면 질문을 보냅니다…',
    en: 'Your question goes out once the model is ready…',
  },
  wait_turn: {
    ko: '앞선 답변이 끝나기를 기다립니다…',
    en: 'Waiting for the answer before this one…',
  },
  wait_search: {
    ko: '문서에서 찾는 중…',
    en: 'Searching the documents…',
  },
  wait_model_reads: {
    ko: '찾은 내용 {n}건을 모델이 읽는 중…',
    en: 'Reading what was found ({n})…',
  },
  wait_answer: {
    ko: '모델이 답을 준비하는 중…',
    en: 'Preparing the answer…',
  },
  hint_lost: {
    ko: '연결이 끊겼습니다. 다시 연결되면 답변을 이어서 받습니다.',
    en: 'The connection is lost. The answer goes on once it is back.',
  },
  hint_silent: {
    ko: '30초 동안 서버에서 아무 신호가 없습니다.',
    en: 'No sign of the server for 30 s.',
  },
  wait_stop: {
    ko: '멈추는 중…',
    en: 'Stopping…',
  },
  thinking: {
    ko: '생각하는 중…',
    en: 'Thinking…',
  },
  thoughts: {
    ko: '생각한 내용',
    en: 'Thoughts',
  },
  stopped: {
    ko: '여기서 멈췄습니다.',
    en: 'Stopped here.',
  },
  interrupted: {
    ko: '연결이 끊겨 답변이 중단되었습니다.',
    en: 'The connection was lost before the answer ended.',
  },
  cut: {
    ko: '길이 제한에 닿아 답변이 여기서 끝났습니다.',
    en: 'The answer reached its length limit here.',
  },
  empty_answer: {
    ko: '모델이 빈 답을 보냈습니다.',
    en: 'The model sent an empty answer.',
  },
  retry: {
    ko: '다시 묻기',
    en: 'Ask again',
  },
  error_code: {
    ko: '오류 코드 {code}',
    en: 'Error code {code}',
  },
  grounded: {
    ko: '{total}문장 중 {supported}문장을 출처에서 확인했습니다.',
    en: '{supported} of {total} sentences are supported by the sources.',
  },
  unsupported: {
    ko: '출처에서 확인되지 않음',
    en: 'not found in the sources',
  },
  seconds: {
    ko: '{seconds}초',
    en: '{seconds} s',
  },
  copy_answer: {
    ko: '복사',
    en: 'Copy',
  },
  copy_code: {
    ko: '코드 복사',
    en: 'Copy code',
  },
  copied: {
    ko: '복사했습니다',
    en: 'Copied',
  },
  copy_failed: {
    ko: '복사하지 못했습니다',
    en: 'Could not be copied',
  },
  regenerate: {
    ko: '다시 답하기',
    en: 'Answer again',
  },
  edit: {
    ko: '고쳐 묻기',
    en: 'Edit',
  },
  edit_label: {
    ko: '질문 고치기',
    en: 'Edit the question',
  },
  cancel: {
    ko: '취소',
    en: 'Cancel',
  },
  task_done: {
    ko: '끝난 일',
    en: 'Done',
  },
  task_open: {
    ko: '할 일',
    en: 'To do',
  },
  table: {
    ko: '표',
    en: 'Table',
  },
  image: {
    ko: '그림: {alt} ({address})',
    en: 'image: {alt} ({address})',
  },
  image_begun: {
    ko: '그림: {alt}',
    en: 'image: {alt}',
  },
  leave_title: {
    ko: '이 주소를 열까요?',
    en: 'Open this address?',
  },
  leave_text: {
    ko: '답변에 있는 주소입니다. 열면 이 서버 밖으로 나갑니다.',
    en: 'The answer holds this address. Opening it leaves this server.',
  },
  leave_open: {
    ko: '새 탭에서 열기',
    en: 'Open in a new tab',
  },
};
