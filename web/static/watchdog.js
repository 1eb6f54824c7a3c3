/** Notices that nothing comes any more. Knows only of signs, and of whether there is something to wait for. */

export const SILENCE_MS = 30_000;

export class Watchdog {
  #parts;
  #timer = null;
  #last = 0;
  /** Whether it waits, and nothing has come for `SILENCE_MS`. */
  isSilent = false;

  /**
   * @param {object} parts
   * @param {() => void} parts.onSilence nothing came for `SILENCE_MS`; once more after as long again
   * @param {(run: () => void, ms: number) => any} [parts.setTimeout]
   * @param {(timer: any) => void} [parts.clearTimeout]
   * @param {() => number} [parts.now] milliseconds
   */
  constructor(parts) {
    this.#parts = {
      setTimeout: (run, ms) => globalThis.setTimeout(run, ms),
      clearTimeout: (timer) => globalThis.clearTimeout(timer),
      now: Date.now,
      ...parts,
    };
  }

  /** Whether there is something to wait for, from now on. @param {boolean} isAwaited */
  watch(isAwaited) {
    if (isAwaited === (this.#timer !== null)) return;
    if (isAwaited) this.#start();
    else this.#stop();
  }

  /** Something came. */
  sign() {
    if (this.#timer === null) return;
    this.#stop();
    this.#start();
  }

  /** How long it has waited in vain, in milliseconds. */
  get silence() {
    return this.#timer === null ? 0 : this.#parts.now() - this.#last;
  }

  #start() {
    this.#last = this.#parts.now();
    this.#arm();
  }

  #arm() {
    this.#timer = this.#parts.setTimeout(() => {
      this.isSilent = true;
      this.#arm();
      this.#parts.onSilence();
    }, SILENCE_MS);
  }

  #stop() {
    if (this.#timer !== null) this.#parts.clearTimeout(this.#timer);
    this.#timer = null;
    this.isSilent = false;
  }
}
