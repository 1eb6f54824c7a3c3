/** What no file of the page may do: these hold the page's safety and its independence from other hosts. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pageFiles } from './files.mjs';

const statics = pageFiles('static');
const templates = pageFiles('templates');
const scripts = statics.filter(({ name }) => name.endsWith('.js'));

test('no script turns text into markup or code', () => {
  const forbidden = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML|\beval\b|new Function|setTimeout\(\s*['"`]/;
  assert.ok(scripts.length >= 6);
  for (const { name, text } of scripts) assert.doesNotMatch(text, forbidden, name);
});

test('no script makes an element that loads what a text names', () => {
  const loading = /createElement\(\s*['"`](?:a|img|image|iframe|video|audio|link|script|object|embed|source|form)['"`]|\.(?:src|srcset|action|backgroundImage)\s*=/i;
  // The frame of an original: an address of this server, made of a document's id.
  const original = 'frame.src = originalOf(';
  for (const { name, text } of scripts) assert.doesNotMatch(text.replace(original, ''), loading, name);
  const page = templates.map(({ text }) => text).join('');
  const inTemplates = [...page.matchAll(/<template[\s\S]*?<\/template>/g)].join('');
  assert.doesNotMatch(inTemplates, /<(?:a|img|iframe|form)\b/);
});

test('no file names another host', () => {
  for (const { name, text } of [...statics, ...templates]) {
    const addresses = text.match(/(?:https?:)?\/\/[\w-]+\.[\w.-]+/gi) ?? [];
    // The name of the SVG namespace is an identifier; nothing is fetched from it.
    assert.deepEqual(addresses.filter((address) => address !== 'http://www.w3.org'), [], name);
  }
});

test('templates hold no inline script or style, which the security policy would refuse', () => {
  for (const { name, text } of templates) {
    assert.doesNotMatch(text, /<style|\sstyle=|\son\w+=|javascript:/i, name);
    for (const [, attributes] of text.matchAll(/<script([^>]*)>/g)) assert.match(attributes, /\ssrc=/, name);
  }
});

test('addresses in templates are relative, so that the page works under a path prefix', () => {
  for (const { name, text } of templates) assert.doesNotMatch(text, /(?:href|src|action)="\//, name);
});

test('the page carries the names that existing browser suites use', () => {
  const page = templates.map(({ text }) => text).join('');
  for (const id of [
    'chat-input',
    'send-button',
    'stop-button',
    'user-message',
    'assistant-message',
    'loading-indicator',
    'connection-status',
    'source',
  ]) {
    assert.equal(page.split(`data-testid="${id}"`).length, 2, id);
  }
});
