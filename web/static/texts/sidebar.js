/** Words of the page: the list of conversations. */

export default {
  talks: {
    ko: '대화 목록',
    en: 'Conversations',
  },
  sidebar_open: {
    ko: '대화 목록 열기',
    en: 'Show conversations',
  },
  sidebar_close: {
    ko: '대화 목록 접기',
    en: 'Hide conversations',
  },
  talks_search: {
    ko: '대화 검색',
    en: 'Search conversations',
  },
  talks_today: {
    ko: '오늘',
    en: 'Today',
  },
  talks_yesterday: {
    ko: '어제',
    en: 'Yesterday',
  },
  talks_older: {
    ko: '이전',
    en: 'Older',
  },
  talks_none: {
    ko: '아직 대화가 없습니다. 질문하면 여기에 남습니다.',
    en: 'Nothing yet. What you ask is kept here.',
  },
  talks_not_found: {
    ko: '찾는 말이 있는 대화가 없습니다.',
    en: 'No conversation has these words.',
  },
  talks_found: {
    ko: '대화 {n}개를 찾았습니다.',
    en: 'Conversations found: {n}.',
  },
  talks_unkept: {
    ko: '브라우저가 저장을 허용하지 않아, 창을 닫으면 대화가 사라집니다.',
    en: 'This browser does not keep data. Conversations are gone when the page closes.',
  },
  talk_running: {
    ko: '답변 중',
    en: 'answering',
  },
  talk_more: {
    ko: '메뉴: {title}',
    en: 'Menu: {title}',
  },
  talk_rename: {
    ko: '이름 바꾸기',
    en: 'Rename',
  },
  talk_name: {
    ko: '대화 이름',
    en: 'Name of the conversation',
  },
  talk_export_markdown: {
    ko: 'Markdown으로 내보내기',
    en: 'Export as Markdown',
  },
  talk_export_json: {
    ko: 'JSON으로 내보내기',
    en: 'Export as JSON',
  },
  talk_delete: {
    ko: '삭제',
    en: 'Delete',
  },
  talk_deleted: {
    ko: '“{title}” 삭제됨',
    en: '“{title}” deleted',
  },
  talk_undo: {
    ko: '되돌리기',
    en: 'Undo',
  },
  context_ended: {
    ko: '서버가 위의 대화를 잊었습니다. 다음 질문은 새로 시작합니다.',
    en: 'The server has forgotten what was said above; the next question starts anew.',
  },
  earlier_kept: {
    ko: '새 답변이 끝나지 않았습니다. 앞선 답변은 남아 있습니다.',
    en: 'The new answer did not come to its end. The earlier one is still kept.',
  },
  earlier_back: {
    ko: '앞선 답변 되살리기',
    en: 'Bring the earlier answer back',
  },
  export_offsets: {
    ko: '글자 {start}–{end}',
    en: 'characters {start}–{end}',
  },
  shortcuts: {
    ko: '단축키',
    en: 'Keyboard shortcuts',
  },
  shortcut_new: {
    ko: '새 대화',
    en: 'New chat',
  },
  shortcut_question: {
    ko: '질문 입력으로',
    en: 'To the question box',
  },
  shortcut_stop: {
    ko: '답변 멈추기',
    en: 'Stop the answer',
  },
  shortcut_send: {
    ko: '보내기',
    en: 'Send',
  },
  shortcut_line: {
    ko: '줄 바꾸기',
    en: 'New line',
  },
};
