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
};
