/** Keeps the newest text in view until the person scrolls away from it. */

export class Follower {
  follow = true;
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
    // Opening a source makes the page longer without a scroll: it is read now, so stay there.
    log.addEventListener('toggle', () => this.#look(), { capture: true });
    // After the layout of a frame and before it is shown: looking at sizes costs nothing there.
    const observer = new ResizeObserver(() => (this.follow ? this.toEnd() : this.#look()));
    observer.observe(scroller);
    observer.observe(log);
    toLatest.addEventListener('click', () => {
      this.follow = true;
      this.toEnd();
    });
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const below = scrollHeight - scrollTop - clientHeight;
    this.follow = below < 40;
    this.#toLatest.hidden = below < 160;
  }
}
