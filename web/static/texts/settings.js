/** Words of the page: settings. */

export default {
  answers_label: {
    ko: '답변 방식',
    en: 'How to answer',
  },
  answers_auto: {
    ko: '답변: 자동',
    en: 'Answers: automatic',
  },
  answers_quote: {
    ko: '답변: 인용',
    en: 'Answers: quoted',
  },
  answers_free: {
    ko: '답변: 자유',
    en: 'Answers: free',
  },
};
