/** Words of the page: welcome. */

export default {
  welcome_title: {
    ko: '문서에 물어보세요',
    en: 'Ask your documents',
  },
  welcome_text: {
    ko: '올린 문서에서 근거를 찾아, 출처와 함께 답합니다. 질문도 문서도 이 서버를 떠나지 않습니다.',
    en: 'Answers come from the documents you add, with their sources. Neither questions nor documents leave this server.',
  },
  examples: {
    ko: '예시 질문',
    en: 'Example questions',
  },
  example_1: {
    ko: 'RAG Standard는 무엇인가요?',
    en: 'What is RAG Standard?',
  },
  example_2: {
    ko: '문서를 어떻게 추가하나요?',
    en: 'How do I add documents?',
  },
  example_3: {
    ko: '모델을 바꾸려면 어떻게 하나요?',
    en: 'How do I change the model?',
  },
  example_4: {
    ko: '어떤 파일 형식을 읽을 수 있나요?',
    en: 'Which file types can it read?',
  },
};
