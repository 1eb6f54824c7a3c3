/** Words of the page: documents. */

export default {
  documents_title: {
    ko: '문서 추가',
    en: 'Add documents',
  },
  documents_text: {
    ko: '파일을 이곳에 끌어다 놓거나 골라 주세요. 올린 내용은 곧바로 답변에 쓰입니다.',
    en: 'Drop files here or choose them. What you add is used in answers right away.',
  },
  choose_files: {
    ko: '파일 고르기',
    en: 'Choose files',
  },
  drop_here: {
    ko: '놓으면 문서로 추가됩니다',
    en: 'Drop to add as documents',
  },
  job_waiting: {
    ko: '차례를 기다리는 중',
    en: 'Waiting its turn',
  },
  job_uploading: {
    ko: '올리는 중',
    en: 'Uploading',
  },
  job_queued: {
    ko: '처리를 기다리는 중',
    en: 'Waiting to be processed',
  },
  job_parsing: {
    ko: '읽는 중',
    en: 'Reading',
  },
  job_embedding: {
    ko: '색인 중 {done} / {total}',
    en: 'Indexing {done} / {total}',
  },
  job_embedding_start: {
    ko: '색인 중',
    en: 'Indexing',
  },
  job_storing: {
    ko: '저장하는 중',
    en: 'Saving',
  },
  job_stored: {
    ko: '추가됨 · 구절 {total}개',
    en: 'Added · Passages: {total}',
  },
  job_duplicate: {
    ko: '이미 추가되어 있음',
    en: 'Already added',
  },
  job_failed: {
    ko: '추가하지 못했습니다',
    en: 'Could not be added',
  },
  job_cancelled: {
    ko: '취소됨',
    en: 'Cancelled',
  },
  upload_refused: {
    ko: '서버가 파일을 받지 않았습니다({status}).',
    en: 'The server did not accept the file ({status}).',
  },
  upload_network: {
    ko: '파일을 보내지 못했습니다. 폴더가 아닌 파일인지, 서버에 연결되어 있는지 확인해 주세요.',
    en: 'The file could not be sent. Check that it is a file, not a folder, and that the server can be reached.',
  },
  progress_lost: {
    ko: '진행 상황을 더는 알 수 없습니다. 처리는 서버에서 계속될 수 있습니다.',
    en: 'Progress can no longer be followed. The server may still be working on it.',
  },
};
