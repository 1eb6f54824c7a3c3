/** Words of the page: sources. */

export default {
  sources: {
    ko: '출처 {n}건',
    en: 'Sources ({n})',
  },
  source_page: {
    ko: '{page}쪽',
    en: 'page {page}',
  },
  open_source: {
    ko: '출처 {n} 열기: {title}',
    en: 'Open source {n}: {title}',
  },
  sources_close: {
    ko: '출처 닫기',
    en: 'Close sources',
  },
  source_cited: {
    ko: '답변에 인용됨',
    en: 'Cited in the answer',
  },
  relevance_high: {
    ko: '관련도 {percent}% · 높음',
    en: 'Relevance {percent}% · high',
  },
  relevance_middle: {
    ko: '관련도 {percent}% · 보통',
    en: 'Relevance {percent}% · medium',
  },
  relevance_low: {
    ko: '관련도 {percent}% · 낮음',
    en: 'Relevance {percent}% · low',
  },
  source_gone: {
    ko: '이 문서는 삭제되었습니다. 답변할 때의 내용을 그대로 보여 줍니다.',
    en: 'This document has been deleted. The passage is shown as it was.',
  },
  source_changed: {
    ko: '답변한 뒤에 문서가 바뀌었습니다. 답변할 때의 내용을 그대로 보여 줍니다.',
    en: 'The document has changed since the answer. The passage is shown as it was.',
  },
  open_document: {
    ko: '문서 열기',
    en: 'Open document',
  },
  open_document_of: {
    ko: '문서 열기: [{n}] {title}',
    en: 'Open document: [{n}] {title}',
  },
  open_original: {
    ko: '원본 {page}쪽 열기',
    en: 'Open page {page} of the original',
  },
};
