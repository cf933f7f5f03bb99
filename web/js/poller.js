/**
 * Poller: asks again and again, but not while the page is hidden, never twice at once, and less often while it fails.
 */

const WORST_MS = 30_000;

export class Poller {
  /**
   * @param {(signal: AbortSignal) => Promise<void>} ask
   * @param {() => number} interval ms until the next, asked each time
   * @param {(problem: any) => void} [failed]
   */
  constructor(ask, interval, failed) {
    this.ask = ask;
    this.interval = interval;
    this.failed = failed ?? (() => {});
    this.failures = 0;
    this.timer = 0;
    this.busy = false;
    this.abort = new AbortController();
    this.wake = () => { if (!document.hidden) this.now(); };
    document.addEventListener("visibilitychange", this.wake);
  }

  /** Asks at once. @returns {Promise<void>} */
  async now() {
    if (this.busy || this.abort.signal.aborted) return;
    this.busy = true;
    clearTimeout(this.timer);
    try {
      await this.ask(this.abort.signal);
      this.failures = 0;
    } catch (problem) {
      if (this.abort.signal.aborted) return;
      this.failures += 1;
      this.failed(problem);
    } finally {
      this.busy = false;
    }
    this.later();
  }

  later() {
    if (this.abort.signal.aborted || document.hidden) return;
    clearTimeout(this.timer);
    const wait = Math.min(this.interval() * 2 ** this.failures, Math.max(WORST_MS, this.interval()));
    this.timer = setTimeout(() => this.now(), wait);
  }

  stop() {
    this.abort.abort();
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.wake);
  }
}
