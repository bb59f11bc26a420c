// What is to be sent: the pacer puts the minutes' ranges in, connections take them out, and put back what got no receipt.
import type { Range } from "./books.ts";

export class Jobs {
  #jobs: Range[] = [];
  #head = 0;
  readonly #again: Range[] = [];
  readonly #waiting: ((job: Range | undefined) => void)[] = [];
  #isClosed = false;

  add(job: Range): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#jobs.push(job);
    else waiting(job);
  }

  /** Before all that is new. */
  putBack(job: Range): void {
    this.#again.push(job);
  }

  /** Undefined once it is closed and nothing is left. */
  async take(): Promise<Range | undefined> {
    const again = this.#again.shift();
    if (again !== undefined) return again;
    if (this.#head < this.#jobs.length) return this.#next();
    if (this.#isClosed) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Nothing is added from now on. */
  close(): void {
    this.#isClosed = true;
    for (const waiting of this.#waiting.splice(0)) waiting(undefined);
  }

  #next(): Range | undefined {
    const job = this.#jobs[this.#head];
    this.#head += 1;
    if (this.#head === this.#jobs.length || this.#head > 10_000) {
      this.#jobs = this.#jobs.slice(this.#head);
      this.#head = 0;
    }
    return job;
  }
}
