/** Which tab this is. A reload keeps that, and a tab that was duplicated, with all that the browser copies, is another. */

import { newId } from './client.js';
import { store, stored } from './storage.js';

/** A page that is loaded anew may have to wait until the browser has let go of the one before. */
const LOCK_MS = 400;
const CHANNEL_MS = 150;

/**
 * @typedef {object} Platform what the browser has; either may be missing, such as locks on a page from another machine over http
 * @property {LockManager} [locks]
 * @property {typeof BroadcastChannel} [BroadcastChannel]
 */

/** @returns {Platform} */
const browser = () => ({ locks: globalThis.navigator?.locks, BroadcastChannel: globalThis.BroadcastChannel });

/**
 * Takes an id for as long as the page lives.
 * @param {string} id
 * @param {Platform} [platform]
 * @returns {Promise<boolean>} false where another page has it
 */
export async function claim(id, platform = browser()) {
  try {
    if (platform.locks) return await lock(id, platform.locks);
    if (platform.BroadcastChannel) return await askOthers(id, new platform.BroadcastChannel('tabs'));
  } catch {
    /* a browser that refuses both cannot tell */
  }
  return true;
}

/** @param {string} id @param {LockManager} locks */
function lock(id, locks) {
  const patience = new AbortController();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      patience.abort();
      resolve(false);
    }, LOCK_MS);
    const held = () => {
      clearTimeout(timer);
      resolve(true);
      return new Promise(() => {});
    };
    locks.request(`tab ${id}`, { signal: patience.signal }, held).catch(reject);
  });
}

/** @param {string} id @param {BroadcastChannel} channel */
function askOthers(id, channel) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), CHANNEL_MS);
    channel.onmessage = ({ data }) => {
      if (data?.id !== id) return;
      if (data.isAsked) return channel.postMessage({ id, isAsked: false });
      clearTimeout(timer);
      channel.close();
      resolve(false);
    };
    channel.postMessage({ id, isAsked: true });
  });
}

/**
 * @param {Platform} [platform]
 * @returns {Promise<{id: string, isCopy: boolean}>} `isCopy`: what was stored belongs to the tab that this one was made from
 */
export async function thisTab(platform = browser()) {
  const before = stored('sessionStorage', 'tab');
  if (before && (await claim(before, platform))) return { id: before, isCopy: false };
  const id = newId();
  store('sessionStorage', 'tab', id);
  claim(id, platform); // to hold it; nobody else can have it
  return { id, isCopy: Boolean(before) };
}
