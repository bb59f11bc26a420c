// Lets many ask at once for something costly: it runs once at a time, and all who ask while it runs share the next run. So
// nobody gets what was begun before they asked, and nobody waits for more than two runs.
import { SluiceError } from "../core/errors.ts";

export interface SharedRunOptions<Value> {
  readonly what: string;
  readonly run: () => Promise<Value>;
  /** Who is told to come again. */
  readonly waitingMax: number;
}

const retryAfterSeconds = 5;

export class SharedRun<Value> {
  readonly #options: SharedRunOptions<Value>;
  #running: Promise<Value> | undefined;
  #next: Promise<Value> | undefined;
  #waiting = 0;

  constructor(options: SharedRunOptions<Value>) {
    this.#options = options;
  }

  /** Errors: `overloaded`; whatever the run throws. */
  async ask(): Promise<Value> {
    const { what, waitingMax } = this.#options;
    if (this.#waiting === waitingMax)
      throw new SluiceError("overloaded", `${waitingMax} callers wait for ${what} already`, { retryAfterSeconds });
    this.#waiting += 1;
    try {
      return await (this.#running === undefined ? this.#begin() : this.#shareNext(this.#running));
    } finally {
      this.#waiting -= 1;
    }
  }

  #shareNext(running: Promise<Value>): Promise<Value> {
    const begin = (): Promise<Value> => this.#begin();
    this.#next ??= running.then(begin, begin);
    return this.#next;
  }

  #begin(): Promise<Value> {
    this.#next = undefined;
    this.#running = this.#options.run().finally(() => {
      if (this.#next === undefined) this.#running = undefined;
    });
    return this.#running;
  }
}
