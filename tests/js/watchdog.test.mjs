import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { SILENCE_MS, Watchdog } from '../../web/static/watchdog.js';
import { Clock } from './clock.mjs';

let clock, silences, dog;

beforeEach(() => {
  clock = new Clock();
  silences = [];
  dog = new Watchdog({
    onSilence: () => silences.push(clock.now),
    setTimeout: clock.setTimeout,
    clearTimeout: clock.clearTimeout,
    now: () => clock.now,
  });
});

test('silence is told after its time, and again after as long', () => {
  dog.watch(true);
  clock.pass(SILENCE_MS - 1);
  assert.deepEqual([dog.isSilent, silences], [false, []]);
  clock.pass(1 + SILENCE_MS);
  assert.deepEqual([dog.isSilent, silences], [true, [SILENCE_MS, 2 * SILENCE_MS]]);
});

test('each sign ends it and begins the time anew', () => {
  dog.watch(true);
  clock.pass(SILENCE_MS);
  dog.sign();
  assert.equal(dog.isSilent, false);
  clock.pass(SILENCE_MS - 1);
  dog.sign();
  clock.pass(SILENCE_MS - 1);
  assert.deepEqual([dog.isSilent, silences.length], [false, 1]);
});

test('to be told again that something is awaited begins nothing anew', () => {
  dog.watch(true);
  clock.pass(SILENCE_MS - 1);
  dog.watch(true);
  clock.pass(1);
  assert.equal(dog.isSilent, true);
});

test('where nothing is awaited nothing is missed', () => {
  dog.sign();
  dog.watch(false);
  clock.pass(2 * SILENCE_MS);
  dog.watch(true);
  clock.pass(SILENCE_MS);
  dog.watch(false);
  clock.pass(2 * SILENCE_MS);
  assert.deepEqual([dog.isSilent, silences.length, clock.timers.size], [false, 1, 0]);
});

test('it knows how long it has waited in vain', () => {
  dog.watch(true);
  clock.pass(400);
  assert.equal(dog.silence, 400);
  dog.sign();
  clock.pass(SILENCE_MS + 5);
  assert.equal(dog.silence, SILENCE_MS + 5);
  dog.watch(false);
  assert.equal(dog.silence, 0);
});
