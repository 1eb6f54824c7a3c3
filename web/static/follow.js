/** Keeps the newest text in view until the person scrolls away from it. */

const SETTLE_MS = 300;

export class Follower {
  follow = true;
  #isHeld = false;
  #release = null;
  #scroller;
  #toLatest;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} log what grows in it
   * @param {HTMLButtonElement} toLatest leads back to the newest text
   */
  constructor(scroller, log, toLatest) {
    this.#scroller = scroller;
    this.#toLatest = toLatest;
    scroller.addEventListener('scroll', () => this.#look(), { passive: true });
    // Opening thoughts makes the page longer without a scroll: they are read now, so stay there.
    log.addEventListener('click', (event) => event.target.closest('summary') && (this.follow = false), { capture: true });
    log.addEventListener('toggle', () => this.#look(), { capture: true });
    // After the layout of a frame and before it is shown: looking at sizes costs nothing there.
    const observer = new ResizeObserver(() => (this.follow ? this.toEnd() : this.#look()));
    observer.observe(scroller);
    observer.observe(log);
    for (const act of ['wheel', 'touchmove', 'pointerdown', 'keydown']) {
      scroller.addEventListener(act, () => (this.#isHeld = false), { passive: true });
    }
    toLatest.addEventListener('click', () => {
      this.follow = true;
      this.toEnd();
    });
  }

  /** While what was said before is painted above, the end stays in view, unless the person goes elsewhere. */
  hold() {
    clearTimeout(this.#release);
    this.#isHeld = true;
  }

  /** It is painted, but for the sizes of what comes into view. */
  release() {
    clearTimeout(this.#release);
    this.#release = setTimeout(() => (this.#isHeld = false), SETTLE_MS);
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const below = scrollHeight - scrollTop - clientHeight;
    if (this.#isHeld) {
      if (below > 1) this.toEnd();
      return;
    }
    this.follow = below < 40;
    this.#toLatest.hidden = below < 160;
  }
}
