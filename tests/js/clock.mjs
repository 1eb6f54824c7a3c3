/** A clock that only moves when told to. */
export class Clock {
  now = 0;
  timers = new Map();
  #id = 0;

  setTimeout = (run, ms) => {
    this.timers.set(++this.#id, { run, at: this.now + ms });
    return this.#id;
  };

  clearTimeout = (id) => this.timers.delete(id);

  pass(ms) {
    const until = this.now + ms;
    for (;;) {
      const [id, timer] = [...this.timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!timer || timer.at > until) break;
      this.now = timer.at;
      this.timers.delete(id);
      timer.run();
    }
    this.now = until;
  }
}
