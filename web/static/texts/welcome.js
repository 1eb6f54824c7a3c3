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
  first_steps: {
    ko: '아직 추가한 문서가 없습니다. 파일이나 폴더를 이 화면에 끌어다 놓거나, 서버가 있는 컴퓨터에서 명령으로 추가하세요.',
    en: 'You have added no documents yet. Drop files or a folder onto this page, or add them with a command on the computer of the server.',
  },
  examples: {
    ko: '예시 질문',
    en: 'Example questions',
  },
  example_1: {
    ko: '문서를 어떻게 추가하나요?',
    en: 'How do I add documents?',
  },
  example_2: {
    ko: '대화는 얼마나 오래 유지되나요?',
    en: 'How long does a conversation last?',
  },
  example_3: {
    ko: '파일 크기 제한은 얼마인가요?',
    en: 'What is the size limit for document files?',
  },
  example_4: {
    ko: '포트는 어떻게 바꾸나요?',
    en: 'How do I change the port?',
  },
};
