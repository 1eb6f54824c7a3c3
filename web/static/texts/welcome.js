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
