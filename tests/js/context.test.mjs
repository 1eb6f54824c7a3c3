import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Context } from '../../web/static/context.js';

let now, asked, reply;
beforeEach(() => {
  Context.life = 0;
  [now, asked] = [0, []];
  reply = { status: 200, ok: true, json: async () => ({ turns: [{ message_id: 'm' }], expires_in: 100 }) };
});

const make = () =>
  new Context('a/b', {
    now: () => now,
    fetch: async (...all) => {
      asked.push(all);
      if (!reply) throw new TypeError('away');
      return reply;
    },
  });

test('as long as the server said, it need not be asked again', async () => {
  const context = make();
  assert.equal(context.left, 0);
  assert.deepEqual(await context.look(), [{ message_id: 'm' }]);
  assert.equal(asked[0][0], 'sessions/a%2Fb');
  now = 40_000;
  assert.equal(context.left, 60_000);
  now = 101_000;
  assert.equal(context.left, 0);
});

test('an answer gives it the life that a conversation is known to have', async () => {
  await make().look();
  const context = make();
  context.used();
  assert.equal(context.left, 100_000);
});

test('a server that has forgotten is not one that does not answer', async () => {
  reply = { status: 404, ok: false };
  assert.equal(await make().look(), null);
  reply = { status: 503, ok: false };
  assert.equal(await make().look(), undefined);
  reply = null;
  const context = make();
  assert.equal(await context.look(), undefined);
  assert.ok(context.left > 0, 'a question does not wait for it any longer');
});

test('it is ended even by a page that closes', async () => {
  reply = null;
  await make().end();
  assert.deepEqual(asked[0][1], { method: 'DELETE', keepalive: true });
});
