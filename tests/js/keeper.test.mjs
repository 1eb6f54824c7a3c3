import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { MemoryHistory } from '../../web/static/history.js';
import { Keeper, UNDO_MS } from '../../web/static/keeper.js';
import { head, kept } from './kept.mjs';

const settle = async () => {
  for (let n = 0; n < 20; n++) await Promise.resolve();
};

class Channel {
  sent = [];
  postMessage(data) {
    this.sent.push(data);
  }
}

let history, channel, gone, told, keeper;

beforeEach(async () => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
  [history, channel, gone, told] = [new MemoryHistory(), new Channel(), [], []];
  keeper = make();
  await keeper.load();
});

const make = (now = () => 1000) =>
  new Keeper(Promise.resolve(history), {
    channel,
    now,
    onChange() {},
    onGone: (id) => gone.push(id),
    onTold: (id) => told.push(id),
  });

test('a conversation begins with its first question and stands first again with each later one', async () => {
  keeper.keep('s', {}, () => kept('s', '1', 50, 'What is it?'), true);
  keeper.keep('s', {}, () => kept('s', '2', 70, 'And then?'), true);
  await settle();
  assert.deepEqual(await history.heads(), [{ id: 's', title: 'What is it?', created: 50, updated: 70 }]);
  assert.deepEqual(channel.sent, ['s', 's']);
});

test('an answer that grows is written now and then, as it is by then', async () => {
  const turn = {};
  let text = '';
  keeper.keep('s', turn, () => kept('s', '1', 50, 'q', text), true);
  for (const word of ['a', 'b', 'c']) {
    text += word;
    keeper.keep('s', turn, () => kept('s', '1', 50, 'q', text), false);
  }
  await settle();
  assert.equal((await history.turns('s'))[0].answer.text, '');
  mock.timers.tick(1000);
  await settle();
  assert.equal((await history.turns('s'))[0].answer.text, 'abc');
  assert.deepEqual(channel.sent, ['s'], 'other tabs are not told of each word');
});

test('a deletion can be taken back', async () => {
  keeper.keep('s', {}, () => kept('s', '1', 50, 'q'), true);
  keeper.delete('s');
  assert.ok(keeper.heads.get('s').deleted);
  mock.timers.tick(UNDO_MS - 1);
  keeper.undo('s');
  mock.timers.tick(UNDO_MS);
  await settle();
  assert.deepEqual([gone, (await history.turns('s')).length, keeper.heads.get('s').deleted], [[], 1, undefined]);
});

test('after a while it is gone for good, here and on the server', async () => {
  keeper.keep('s', {}, () => kept('s', '1', 50, 'q'), true);
  keeper.delete('s');
  mock.timers.tick(UNDO_MS);
  await settle();
  assert.deepEqual([gone, await history.heads(), await history.turns('s'), keeper.heads.size], [['s'], [], [], 0]);
});

test('what another tab has brought back stays', async () => {
  keeper.keep('s', {}, () => kept('s', '1', 50, 'q'), true);
  keeper.delete('s');
  await settle();
  await history.change({ id: 's', head: { deleted: undefined } });
  channel.onmessage({ data: 's' });
  await settle();
  mock.timers.tick(UNDO_MS);
  keeper.leave();
  await settle();
  assert.deepEqual([gone, (await history.heads()).length], [[], 1]);
});

test('an answer that was still being kept does not bring back what was deleted, here or in another tab', async () => {
  for (const id of ['s', 't']) keeper.keep(id, {}, () => kept(id, '1', 50, 'q'), true);
  keeper.delete('s');
  await settle();
  mock.timers.tick(UNDO_MS - 500);
  for (const id of ['s', 't']) keeper.keep(id, {}, () => kept(id, '1', 50, 'q'), false);
  await history.remove('t');
  channel.onmessage({ data: 't' });
  await settle();
  mock.timers.tick(5_000);
  await settle();
  assert.deepEqual([gone, await history.heads()], [['s'], []]);
});

test('a page that leaves writes what waits and ends what was deleted', async () => {
  keeper.keep('s', {}, () => kept('s', '1', 50, 'q'), true);
  await settle();
  keeper.delete('s');
  keeper.keep('t', {}, () => kept('t', '1', 60, 'q'), false);
  keeper.leave();
  await settle();
  assert.deepEqual([gone, (await history.heads()).map(({ id }) => id)], [['s'], ['t']]);
});

test('what a page deleted that did not live to remove it is removed by the next', async () => {
  await history.change({ id: 's', head: { ...head('s', 1), deleted: 1000 } });
  await make(() => 1000 + UNDO_MS).load();
  assert.deepEqual(gone, []);
  await make(() => 1001 + 2 * UNDO_MS).load();
  await settle();
  assert.deepEqual([gone, await history.heads()], [['s'], []]);
});

test('what was deleted by a page that had no time to write at all does not come back', async () => {
  const kept = {};
  globalThis.localStorage = Object.defineProperties(kept, {
    getItem: { value: (key) => kept[key] ?? null },
    setItem: { value: (key, value) => (kept[key] = value) },
    removeItem: { value: (key) => delete kept[key] },
  });
  try {
    for (const id of ['s', 't']) await history.change({ id, head: head(id, 1) });
    await keeper.load();
    const { change, remove } = history;
    history.change = history.remove = () => new Promise(() => {});
    for (const id of ['s', 't']) keeper.delete(id);
    keeper.undo('t');
    keeper.leave();
    await settle();
    Object.assign(history, { change, remove });
    const next = make(() => 1000 + UNDO_MS);
    await next.load();
    assert.deepEqual([next.heads.get('s').deleted, next.heads.get('t').deleted], [1000, undefined]);
    for (const now of [1001 + 2 * UNDO_MS, 1002 + 2 * UNDO_MS]) {
      await make(() => now).load();
      await settle();
    }
    assert.deepEqual([(await history.heads()).map(({ id }) => id), { ...kept }], [['t'], {}]);
  } finally {
    delete globalThis.localStorage;
  }
});

test('a turn that was taken out is not written any more', async () => {
  keeper.keep('s', {}, () => kept('s', '1', 50, 'q'), true);
  keeper.keep('s', {}, () => null, false);
  keeper.swap('s', [kept('s', '2', 50, 'q')], ['1']);
  await settle();
  assert.deepEqual((await history.turns('s')).map(({ id }) => id), ['2']);
});

test('what another tab changed is read and passed on', async () => {
  await history.change({ id: 'other', head: head('other', 5) });
  channel.onmessage({ data: 'other' });
  await settle();
  assert.deepEqual([told, [...keeper.heads.keys()]], [['other'], ['other']]);
});

test('a browser that refuses to keep is told of, and the page works on', async () => {
  history.change = async () => {
    throw new Error('QuotaExceededError');
  };
  history.lasts = true;
  keeper = make();
  await keeper.load();
  assert.ok(keeper.lasts);
  keeper.keep('s', {}, () => kept('s', '1', 50, 'q'), true);
  await settle();
  assert.deepEqual([keeper.lasts, keeper.heads.size], [false, 1]);
});

test('a name is one line, and no name changes nothing', async () => {
  keeper.keep('s', {}, () => kept('s', '1', 50, 'q'), true);
  keeper.rename('s', '  New\nname ');
  keeper.rename('s', '   ');
  keeper.rename('unknown', 'x');
  await settle();
  assert.deepEqual((await history.heads()).map(({ title }) => title), ['New name']);
});
