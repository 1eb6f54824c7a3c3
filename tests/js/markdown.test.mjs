import assert from 'node:assert/strict';
import { test } from 'node:test';

import { citedIn, quotationsOf } from '../../web/static/citations.js';
import { Markdown } from '../../web/static/markdown.js';

const EXTRA = ['start', 'rank', 'language', 'align', 'isHead', 'task', 'number', 'href', 'alt'];

/** A node as nested lists, `[kind, extra, ...children]`, texts joined. */
function shape(markdown, node = markdown.root) {
  if (node.kind === 'text') return node.text;
  markdown.read(node);
  const extra = Object.fromEntries(EXTRA.filter((key) => node[key] || node[key] === 0).map((key) => [key, node[key]]));
  const inner = [];
  for (const child of node.children ?? []) {
    const one = shape(markdown, child);
    if (typeof one === 'string' && typeof inner.at(-1) === 'string') inner.push(inner.pop() + one);
    else if (one !== '') inner.push(one);
  }
  return [node.kind, ...(Object.keys(extra).length ? [extra] : []), ...inner];
}

function parse(text, count = 3, quotations = []) {
  const markdown = new Markdown(count, quotations);
  markdown.push(text);
  markdown.end();
  return markdown;
}

const blocks = (text, count, quotations) => shape(parse(text, count, quotations)).slice(1);
const inline = (text, count) => {
  const [first, ...more] = blocks(text, count);
  assert.deepEqual([first[0], more], ['paragraph', []], text);
  return first.slice(1);
};

/** What has been pushed so far, as it would be painted. */
function open(text, count = 3) {
  const markdown = new Markdown(count);
  markdown.push(text);
  return shape(markdown).slice(1);
}


function leaves(node, found = []) {
  if (node.kind === 'text') found.push(node);
  for (const child of node.children ?? []) leaves(child, found);
  return found;
}

const SAMPLE = `# Title *one* with \`code\` ##

Intro **bold *both* bold** and _it_, ~~gone~~ [1] and [9]. **"강조"**는 snake_case_x 2 * 3 * 4.
second line $x_1 * y_2$ costs $5 and $6. **never closed, \`nor this

## Lists
- a
- b
  - c **d**
    continued

    another paragraph
- [ ] todo
- [x] done
+ other list
10) ten
11) eleven
  - two spaces under

> quote
> - with a list
>   > and a quote
lazy line
***
Here is a table:
| a | b | c |
|---|:-:|--:|
| \`1\` | **2** | x\\|y
| [2] | $a|b$ |

x | y
--- | ---
1 | 2
after
| no | table
| at all

\`\`\`python
def f(x):  # [1] **not bold**

    return "\`\`" * 2
\`\`\`
1. Step
   ~~~
   indented
less
   ~~~
2. Next
[link *it*](https://a.example/x_y_z "t") [bad](javascript:alert(1)) ![alt](http://e.example/a.png) <https://b.example>
see (https://c.example/a_(b)). 한글https://x.example/길 \\*not\\* \\(a_1 * b_1\\) trailing\\
$$
a * b
- d
$$
\\[ x_1 * y_1 \\]
<b onclick="x()">html</b> &amp; “q *x* “in” _y_” [2], “z *w*”. 🙂 **🙂 bold🙂**🙂
#### Deep
unfinished **bold and [link](https://e.exam`;

test('each construct becomes its block', () => {
  assert.deepEqual(blocks('# A *b* #\n### C\ntext'), [
    ['heading', { rank: 1 }, 'A ', ['em', 'b']],
    ['heading', { rank: 2 }, 'C'],
    ['paragraph', 'text'],
  ]);
  assert.deepEqual(blocks('#no heading'), [['paragraph', '#no heading']]);
  assert.deepEqual(blocks('a\nb\n\nc'), [['paragraph', 'a\nb'], ['paragraph', 'c']]);
  assert.deepEqual(blocks('a\n---\nb\n* * *'), [['paragraph', 'a'], ['rule'], ['paragraph', 'b'], ['rule']]);
  assert.deepEqual(blocks('> a\nb\n\nc'), [['quote', ['paragraph', 'a\nb']], ['paragraph', 'c']]);
});

test('lists nest, count from their first number and hold tasks', () => {
  const item = (...inner) => ['item', ['paragraph', inner[0]], ...inner.slice(1)];
  assert.deepEqual(blocks('- a\n  - b\n- c'), [['list', item('a', ['list', item('b')]), item('c')]]);
  assert.deepEqual(blocks('3. a\n4. b'), [['list', { start: 3 }, item('a'), item('b')]]);
  assert.deepEqual(blocks('1. a\n  - b\n2. c'), [['list', { start: 1 }, item('a', ['list', item('b')]), item('c')]]);
  assert.deepEqual(blocks('- a\n\n- b\n\nc'), [['list', item('a'), item('b')], ['paragraph', 'c']]);
  assert.deepEqual(blocks('- a\n\n  b'), [['list', ['item', ['paragraph', 'a'], ['paragraph', 'b']]]]);
  assert.deepEqual(blocks('- [x] a\n- [ ] b'), [['list', ['item', { task: true }, ['paragraph', 'a']], item('b')]]);
  assert.equal(parse('- [ ] b').root.children[0].children[0].task, false);
  assert.deepEqual(blocks('In\n1986. A good year'), [['paragraph', 'In\n1986. A good year']]);
  assert.deepEqual(blocks('- a\n+ b').length, 2);
});

test('tables need a line of dashes', () => {
  const head = (text, more) => ['cell', { ...more, isHead: true }, text];
  assert.deepEqual(blocks('| a | b |\n|:--|--:|\n| c\\|d | `e` | f'), [
    [
      'table',
      { align: ['left', 'right'] },
      ['row', { isHead: true }, head('a', { align: 'left' }), head('b', { align: 'right' })],
      ['row', ['cell', { align: 'left' }, 'c|d'], ['cell', { align: 'right' }, ['codespan', 'e']], ['cell', 'f']],
    ],
  ]);
  assert.equal(blocks('text\n| a |\n|---|\nafter')[1][0], 'table');
  assert.deepEqual(blocks('a | b\n--|--\n1 | 2\nend').map(([kind]) => kind), ['table', 'paragraph']);
  assert.deepEqual(blocks('| a |\n| b |\n\n| c |'), [['paragraph', '| a |\n| b |'], ['paragraph', '| c |']]);
});

test('code is as it is, with the name of its language', () => {
  assert.deepEqual(blocks('```js\na *b* [1]\n\n<b>\n```\nc'), [
    ['code', { language: 'js' }, 'a *b* [1]\n\n<b>\n'],
    ['paragraph', 'c'],
  ]);
  assert.deepEqual(blocks('~~~~\n```\n~~~\n~~~~'), [['code', '```\n~~~\n']]);
  assert.deepEqual(blocks('1. a\n   ```\n   b\n     c\n   ```'), [
    ['list', { start: 1 }, ['item', ['paragraph', 'a'], ['code', 'b\n  c\n']]],
  ]);
  assert.deepEqual(inline('```not code``` x'), [['codespan', 'not code'], ' x']);
});

test('emphasis, also beside Korean letters and quotation marks', () => {
  assert.deepEqual(inline('**a *b* c** _d_ ~~e~~'), [
    ['strong', 'a ', ['em', 'b'], ' c'],
    ' ',
    ['em', 'd'],
    ' ',
    ['del', 'e'],
  ]);
  assert.deepEqual(inline('***a***'), [['em', ['strong', 'a']]]);
  assert.deepEqual(inline('**강조**는 **"값"**은, 이것은**(참고)**입니다'), [
    ['strong', '강조'],
    '는 ',
    ['strong', '"값"'],
    '은, 이것은',
    ['strong', '(참고)'],
    '입니다',
  ]);
  for (const text of ['2 * 3 * 4', 'snake_case_name', '** a**', '~a~', '**a', 'a**', '\\*a*'.slice(1) + ' b *']) {
    assert.deepEqual(inline(text).length, text === '*a* b *' ? 2 : 1, text);
  }
  assert.deepEqual(inline('\\*a\\* \\`b\\`'), ['*a* `b`']);
  assert.deepEqual(inline('`` a`b `` and `*c*`'), [['codespan', 'a`b'], ' and ', ['codespan', '*c*']]);
});

test('links lead to pages and mail alone; other schemes and images are text', () => {
  const link = (href, ...inner) => ['link', { href }, ...inner];
  assert.deepEqual(inline('[a *b*](https://x.example/c_d "t")'), [link('https://x.example/c_d', 'a ', ['em', 'b'])]);
  assert.deepEqual(inline('[m](mailto:a@b.example)'), [link('mailto:a@b.example', 'm')]);
  assert.deepEqual(inline('<https://x.example>'), [link('https://x.example/', 'https://x.example')]);
  assert.deepEqual(inline('(https://x.example/a_(b)), 한국'), ['(', link('https://x.example/a_(b)', 'https://x.example/a_(b)'), '), 한국']);
  for (const address of ['javascript:alert(1)', 'JaVaScRiPt:x', 'data:text/html,x', 'file:///etc', 'vbscript:x', '/a', '//x.example', 'https://']) {
    assert.deepEqual(inline(`[a](${address})`).flat().filter((one) => one?.href), [], address);
  }
  assert.deepEqual(inline('![a b](http://x.example/i.png)'), [['image', { alt: 'a b' }]]);
});

test('citations are the numbers of sources, outside code and quotations', () => {
  const cite = (number) => ['citation', { number }];
  assert.deepEqual(inline('a [1], b[2][3]. [4] [0] [x]'), ['a ', cite(1), ', b', cite(2), cite(3), '. [4] [0] [x]']);
  assert.deepEqual(inline('**a [1]**'), [['strong', 'a ', cite(1)]]);
  assert.deepEqual(inline('`[1]` “see [2] *there*” [3] “*x* [1]”'), [
    ['codespan', '[1]'],
    ' “see [2] *there*” ',
    cite(3),
    ' “',
    ['em', 'x'],
    ' ',
    cite(1),
    '”',
  ]);
  assert.deepEqual(inline('a [1]', 0), ['a [1]']);
});

test('formulas stay as they are, amounts are no formulas', () => {
  assert.deepEqual(inline('so $a_1 * b_1$ and \\(c_1 * d_1\\)'), ['so ', ['math', '$a_1 * b_1$'], ' and ', ['math', '\\(c_1 * d_1\\)']]);
  assert.deepEqual(inline('from $5 to $6, *so*'), ['from $5 to $6, ', ['em', 'so']]);
  assert.deepEqual(blocks('$$\na * b\n- c\n$$\nd'), [['formula', '$$\na * b\n- c\n$$'], ['paragraph', 'd']]);
  assert.deepEqual(blocks('\\[ a_1 \\]'), [['formula', '\\[ a_1 \\]']]);
});

test('HTML and entities stay text', () => {
  const html = '<img src=x onerror=alert(1)> &lt; <script>x</script> <a href="javascript:x">y</a>';
  assert.deepEqual(inline(html), [html]);
});

test('announced quotations are shown letter for letter, whatever they hold', () => {
  const quotations = ['“# Not *bold* | a_b_ “inner” [2]\n\n- no list\n```\nno code” [1]', '“Second: **x**” [2]'];
  const text = `**short \`x\` __y__**\n\n${quotations.join('\n\n')}`;
  const expected = [
    ['paragraph', ['strong', 'short `x` __y__']],
    ['quotation', quotations[0].slice(0, -3), ['citation', { number: 1 }]],
    ['quotation', quotations[1].slice(0, -3), ['citation', { number: 2 }]],
  ];
  assert.deepEqual(blocks(text, 2, quotations), expected);
  for (let cut = 0; cut <= text.length; cut++) {
    const markdown = new Markdown(2, quotations);
    for (const part of [text.slice(0, cut), text.slice(cut)]) {
      markdown.push(part);
      shape(markdown);
    }
    markdown.end();
    assert.deepEqual(shape(markdown).slice(1), expected, `cut at ${cut}`);
  }
  assert.deepEqual(blocks('“# Not *bold* | a_b_ “inner” [2]\nelse *x*', 2, quotations).length, 2);
});

test('an unfinished end is shown as what it will most likely be', () => {
  assert.deepEqual(open('a **bo'), [['paragraph', 'a ', ['strong', 'bo']]]);
  assert.deepEqual(open('a **bold*'), [['paragraph', 'a ', ['strong', 'bold']]]);
  assert.deepEqual(open('a `co'), [['paragraph', 'a ', ['codespan', 'co']]]);
  assert.deepEqual(open('a **'), [['paragraph', 'a ']]);
  assert.deepEqual(open('a [1'), [['paragraph', 'a ']]);
  assert.deepEqual(open('a [b](https://x.ex'), [['paragraph', 'a ', ['link', 'b']]]);
  assert.deepEqual(open('| a | b')[0][0], 'table');
  assert.deepEqual(open('| a | b |\n|--')[0][0], 'table');
  assert.deepEqual(open('a\n``'), [['paragraph', 'a']]);
  assert.deepEqual(open('```py\nx\n``'), [['code', { language: 'py' }, 'x\n']]);
  assert.deepEqual(open('a\n1'), [['paragraph', 'a']]);
});

/** Numbers that look random and are the same each time. */
function* numbers(seed) {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Pushes a text in pieces, painting after each, and holds what must hold at every moment. */
function stream(text, cuts, count = 3) {
  const markdown = new Markdown(count);
  let from = 0;
  let before = [];
  for (const cut of [...cuts, text.length]) {
    markdown.push(text.slice(from, cut));
    from = cut;
    shape(markdown);
    const now = markdown.root.children.slice(0, markdown.root.firm).map((child) => JSON.stringify(shape(markdown, child)));
    assert.deepEqual(now.slice(0, before.length), before, 'what is firm has changed');
    before = now;
  }
  markdown.end();
  return shape(markdown);
}

test('every prefix can be shown, and every split gives the same end', () => {
  const whole = shape(parse(SAMPLE));
  for (let cut = 0; cut <= SAMPLE.length; cut++) {
    open(SAMPLE.slice(0, cut));
    assert.deepEqual(stream(SAMPLE, [cut]), whole, `cut at ${cut}`);
  }
  assert.deepEqual(stream(SAMPLE, Array.from(SAMPLE, (_, place) => place)), whole, 'letter by letter');
});

test('random texts of marks end the same, however they come', () => {
  const random = numbers(7);
  const next = (most) => Math.floor(random.next().value * most);
  const bits = ['*', '**', '_', '`', '```', '~~', '[', ']', '(', ')', '[1]', '](https://a.example)', '!', '|', '|--|', '\n', '\n\n', ' ', '  ',
    '- ', '1. ', '> ', '# ', '$', '$$', '\\', '\\(', '\\[', '“', '”', '” [1]', '<https://a.example>', 'https://b.example', 'a', '가', '🙂', '"', '5', '~~~', '---', '\r\n', '\t', 'word '];
  for (let round = 0; round < 1500; round++) {
    const text = Array.from({ length: 1 + next(40) }, () => bits[next(bits.length)]).join('');
    const whole = shape(parse(text));
    const cuts = Array.from({ length: next(12) }, () => next(text.length + 1)).sort((a, b) => a - b);
    assert.deepEqual(stream(text, cuts), whole, JSON.stringify([text, cuts]));
    assert.deepEqual(stream(text, Array.from({ length: text.length }, (_, place) => place)), whole, JSON.stringify(text));
    for (const leaf of leaves(parse(text).root)) assert.equal(text.replaceAll('\r', ' ').substr(leaf.at, leaf.text.length), leaf.text);
  }
});

test('each text knows its place in the answer', () => {
  const markdown = parse(SAMPLE);
  shape(markdown);
  const found = leaves(markdown.root);
  assert.ok(found.length > 80);
  for (const { text, at } of found) assert.equal(SAMPLE.slice(at, at + text.length), text);
});

test('a long answer costs no more at its end than at its beginning', () => {
  const long = { paragraph: 'word **bold** and `code` [1] *it* so. ', plain: 'word ', code: 'x = f(1)\n', list: '- item **b**\n', table: '| a | b |\n', open: '*a _b [c “d $e ' };
  for (const [name, piece] of Object.entries(long)) {
    const lead = { code: '```\n', table: '| a | b |\n|---|---|\n' }[name] ?? '';
    const markdown = new Markdown(3);
    markdown.push(lead);
    let work = 0;
    /** Children that are looked at for one painting. */
    const touched = (node) => {
      markdown.read(node);
      const from = node.seen ?? 0;
      node.seen = node.firm ?? 0;
      work++;
      for (const child of (node.children ?? []).slice(from)) touched(child);
    };
    const costs = [];
    for (let i = 0; i < 4000; i++) {
      markdown.push(piece);
      work = 0;
      touched(markdown.root);
      costs.push(work);
    }
    const most = (part) => Math.max(...part);
    assert.ok(most(costs.slice(-500)) <= 1.2 * most(costs.slice(400, 900)) + 5, `${name}: ${most(costs.slice(400, 900))} → ${most(costs.slice(-500))}`);
  }
});

test('hostile texts are read in time and without depth', () => {
  for (const piece of ['[', '![', '*', '**a', '_a ', '`', '``a', '>', '> ', '- ', '1. ', '$', '\\(', '“', '” [1]', '<', '|', '#', '(', '[a](', '\n', '\\', 'https://', '~~', '*a_']) {
    const started = performance.now();
    const text = piece.repeat(5000);
    shape(parse(text));
    const markdown = new Markdown(3);
    for (let at = 0; at < text.length; at += 500) {
      markdown.push(text.slice(at, at + 500));
      shape(markdown);
    }
    assert.ok(performance.now() - started < 5_000, `${piece}: ${performance.now() - started} ms`);
  }
});

test('a source is cited where the server says so, or else where the answer does, outside code and quotations', () => {
  const source = (cited, content = '') => ({ content, metadata: { cited } });
  const text = '“as [2] says” [1] and `[3]`, **so** [4] [9]';
  const four = (...cited) => cited.map((one) => source(one));
  assert.deepEqual(citedIn({ text, sources: four(true, false, true, false) }), new Set([1, 3]));
  assert.deepEqual(citedIn({ text, sources: four(false, false, false, false) }), new Set([1, 4]));
  assert.deepEqual(citedIn({ text, sources: [{ content: '' }, { content: '' }] }), new Set([1]));
  assert.deepEqual(citedIn({ text, sources: null }), new Set());
  assert.deepEqual(quotationsOf([source(false, 'a'), source(true, 'b\nc')]), ['“b\nc” [2]']);
});
