// The hook of the guide in a real React: asks one question and prints what a component shows of it.
// usage: node react.mjs URL QUESTION, beside hook.mjs and the packages

import { createElement } from 'react';
import { create } from 'react-test-renderer';

import { useRagChat } from './hook.mjs';

const [url, question] = process.argv.slice(2);
globalThis.requestAnimationFrame ??= (run) => setTimeout(run, 16);

let chat;
let paints = 0;
function Chat() {
  chat = useRagChat(url, { lang: 'en' });
  paints++;
  return chat.turns.map(({ messageId, text, phase }) => createElement('p', { key: messageId, phase }, text));
}

const until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};
const root = create(createElement(Chat), { unstable_isConcurrent: true });
await until(() => chat?.state === 'open');
chat.ask(question);
await until(() => root.toJSON()?.props?.phase === 'done');
const [text] = root.toJSON().children;
console.log(JSON.stringify({ text, paints, sources: chat.turns[0].sources.length }));
root.unmount();
