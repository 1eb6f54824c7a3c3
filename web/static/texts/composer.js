/** Words of the page: composer. */

export default {
  input_label: {
    ko: '질문',
    en: 'Question',
  },
  input_placeholder: {
    ko: '문서에 대해 물어보세요',
    en: 'Ask about your documents',
  },
  input_hint: {
    ko: 'Enter로 보내고 Shift+Enter로 줄을 바꿉니다. 답변 중에는 Esc로 멈춥니다.',
    en: 'Enter sends, Shift+Enter breaks the line. Esc stops a running answer.',
  },
  send: {
    ko: '보내기',
    en: 'Send',
  },
  stop: {
    ko: '멈추기',
    en: 'Stop',
  },
  counter: {
    ko: '{n} / {max}자',
    en: '{n} / {max} characters',
  },
  counter_over: {
    ko: '{n} / {max}자. {over}자를 줄여 주세요.',
    en: '{n} / {max} characters. Please remove {over}.',
  },
};
