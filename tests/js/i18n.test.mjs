import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { pageFiles } from './files.mjs';
import { STRINGS, lang, pickLang, setLang, t } from '../../web/static/i18n.js';

const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

beforeEach(() => setLang('ko'));

test('both languages have the same texts, with the same values in them', () => {
  assert.deepEqual(Object.keys(STRINGS.ko).sort(), Object.keys(STRINGS.en).sort());
  for (const key of Object.keys(STRINGS.ko)) {
    assert.deepEqual(placeholders(STRINGS.ko[key]), placeholders(STRINGS.en[key]), key);
    assert.ok(STRINGS.ko[key].trim() && STRINGS.en[key].trim(), key);
  }
});

test('every text the templates name exists', () => {
  const html = pageFiles('templates').map(({ text }) => text).join('');
  const keys = [...html.matchAll(/data-i18n(?:-\w+)?="([^"]+)"/g)].map((match) => match[1]);
  assert.ok(keys.length > 20);
  for (const key of keys.filter((key) => !key.includes('{'))) assert.ok(key in STRINGS.ko, key);
});

test('every text is used', () => {
  const scripts = pageFiles('static').filter(({ name }) => name.endsWith('.js') && !name.includes('/texts/'));
  const sources = [...scripts, ...pageFiles('templates')].map(({ text }) => text);
  const composed = /^(example_\d|status_|wait_|job_|sort_|answers_|loading_|plot_|last_)/;
  for (const key of Object.keys(STRINGS.ko).filter((key) => !composed.test(key))) {
    assert.ok(sources.some((source) => new RegExp(`['"]${key}['"]`).test(source)), key);
  }
});

test('an open connection is named as existing browser suites look for it', () => {
  assert.match(STRINGS.ko.status_open, /연결/);
  assert.match(STRINGS.en.status_open, /connected/i);
});

test('values are filled in, numbers with separators', () => {
  assert.equal(t('counter', { n: 9500, max: 10000 }), '9,500 / 10,000자');
  setLang('en');
  assert.equal(t('open_source', { n: '1', title: '$& {n}' }), 'Open source 1: $& {n}');
});

test('a text that does not exist shows its key', () => {
  assert.equal(t('no_such_text'), 'no_such_text');
});

test('the first known language of the browser is taken', () => {
  assert.equal(pickLang(['fr-FR', 'en-GB', 'ko'], 'ko'), 'en');
  assert.equal(pickLang(['ko-KR', 'en'], 'en'), 'ko');
  assert.equal(pickLang(['fr'], 'en'), 'en');
  assert.equal(pickLang([], 'xx'), 'ko');
});

test('an unknown language falls back to Korean', () => {
  setLang('xx');
  assert.equal(lang(), 'ko');
});
