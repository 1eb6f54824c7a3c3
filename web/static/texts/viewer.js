/** Words of the page: the document viewer. */

export default {
  viewer_loading: {
    ko: '문서를 여는 중…',
    en: 'Opening the document…',
  },
  viewer_facts: {
    ko: '{type} · {characters}자 · {name}',
    en: '{type} · {characters} characters · {name}',
  },
  viewer_facts_pages: {
    ko: '{type} · {pages}쪽 · {characters}자 · {name}',
    en: '{type} · {pages} pages · {characters} characters · {name}',
  },
  viewer_how: {
    ko: '보는 방식',
    en: 'View',
  },
  viewer_text: {
    ko: '글',
    en: 'Text',
  },
  viewer_original: {
    ko: '원본',
    en: 'Original',
  },
  viewer_original_of: {
    ko: '원본: {title}',
    en: 'Original: {title}',
  },
  viewer_tab: {
    ko: '새 탭에서 원본 열기',
    en: 'Original in a new tab',
  },
  viewer_save: {
    ko: '원본 내려받기',
    en: 'Download the original',
  },
  viewer_close: {
    ko: '문서 닫기',
    en: 'Close the document',
  },
  viewer_find: {
    ko: '이 문서에서 찾기',
    en: 'Find in this document',
  },
  viewer_next: {
    ko: '다음 찾기',
    en: 'Next match',
  },
  viewer_previous: {
    ko: '이전 찾기',
    en: 'Previous match',
  },
  viewer_count: {
    ko: '{n} / {total}',
    en: '{n} of {total}',
  },
  viewer_count_more: {
    ko: '{n} / {total} 이상',
    en: '{n} of more than {total}',
  },
  viewer_none: {
    ko: '없음',
    en: 'No matches',
  },
  viewer_failed: {
    ko: '찾지 못했습니다. 서버에 연결되어 있는지 확인해 주세요.',
    en: 'The search failed. Check that the server can be reached.',
  },
  viewer_place: {
    ko: '{percent}%',
    en: '{percent}%',
  },
  viewer_place_page: {
    ko: '{pages}쪽 중 {page}쪽 · {percent}%',
    en: 'Page {page} of {pages} · {percent}%',
  },
  viewer_gone_title: {
    ko: '없는 문서',
    en: 'Not there any more',
  },
  viewer_gone: {
    ko: '이 문서는 삭제되었습니다.',
    en: 'This document has been deleted.',
  },
  viewer_gone_quote: {
    ko: '이 문서는 삭제되었습니다. 답변할 때 쓰인 내용은 다음과 같습니다.',
    en: 'This document has been deleted. This is the passage as it was.',
  },
  viewer_changed: {
    ko: '문서가 바뀌어 인용한 내용이 더는 없습니다. 답변할 때 쓰인 내용은 다음과 같습니다.',
    en: 'The document has changed and no longer holds the passage. This is the passage as it was.',
  },
  viewer_moved: {
    ko: '답변한 뒤에 문서가 바뀌었습니다. 인용한 내용이 지금 있는 자리를 보여 줍니다.',
    en: 'The document has changed since the answer. The passage is shown where it stands now.',
  },
  viewer_unreachable: {
    ko: '문서를 읽지 못했습니다. 서버에 연결되어 있는지 확인하고 다시 열어 주세요.',
    en: 'The document could not be read. Check that the server can be reached, then open it again.',
  },
  viewer_no_original: {
    ko: '원본 파일이 남아 있지 않습니다. 글로 보여 줍니다.',
    en: 'The original file is not there any more. The text is shown instead.',
  },
  viewer_no_pdf: {
    ko: '이 브라우저는 PDF를 이 화면 안에서 보여 주지 못합니다. 새 탭에서 열어 주세요.',
    en: 'This browser does not show PDFs inside a page. Open the original in a new tab.',
  },
};
