import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { claim, thisTab } from '../../web/static/tab.js';

/** Locks as a browser has them, for the pages of one test. */
class Locks {
  #held = new Map();

  async request(name, { signal }, held) {
    while (this.#held.has(name)) {
      await Promise.race([this.#held.get(name).freed, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
      if (signal.aborted) throw signal.reason;
    }
    let free;
    this.#held.set(name, { freed: new Promise((resolve) => (free = resolve)), free: () => free() });
    return held();
  }

  /** The page that holds it goes. */
  release(name) {
    const { free } = this.#held.get(name);
    this.#held.delete(name);
    free();
  }
}

let channels;

const platforms = {
  locks: () => ({ locks: new Locks() }),
  channel: () => ({ BroadcastChannel: Channel }),
};

class Channel {
  constructor() {
    channels.add(this);
  }

  postMessage(data) {
    for (const other of channels) if (other !== this) queueMicrotask(() => other.onmessage?.({ data }));
  }

  close() {
    channels.delete(this);
  }
}

beforeEach(() => {
  channels = new Set();
  const values = new Map();
  globalThis.sessionStorage = { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => values.set(key, value) };
});

afterEach(() => delete globalThis.sessionStorage);

for (const [name, make] of Object.entries(platforms)) {
  test(`an id belongs to one page at a time (${name})`, async () => {
    const platform = make();
    assert.equal(await claim('a', platform), true);
    assert.equal(await claim('a', platform), false);
    assert.equal(await claim('b', platform), true);
  });

  test(`a tab that was duplicated is another, and what it stored is a copy (${name})`, async () => {
    const platform = make();
    const first = await thisTab(platform);
    assert.equal(first.isCopy, false);
    const second = await thisTab(platform);
    assert.equal(second.isCopy, true);
    assert.notEqual(second.id, first.id);
    assert.equal(sessionStorage.getItem('tab'), second.id);
  });
}

test('a page that is loaded anew is the same tab, even if the one before is slow to go', async () => {
  const platform = platforms.locks();
  const { id } = await thisTab(platform);
  setTimeout(() => platform.locks.release(`tab ${id}`), 50);
  assert.deepEqual(await thisTab(platform), { id, isCopy: false });
});

test('where the browser has neither locks nor channels, or refuses them, the stored id counts', async () => {
  const { id } = await thisTab({});
  assert.deepEqual(await thisTab({}), { id, isCopy: false });
  const refusing = { locks: { request: () => Promise.reject(new Error('refused')) } };
  assert.deepEqual(await thisTab(refusing), { id, isCopy: false });
});
