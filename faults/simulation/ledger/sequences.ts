// Sequences: outside of transactions, and a crash may set one back to what was last flushed.

/** PostgreSQL logs a sequence so many numbers ahead. */
const loggedAhead = 32;

export class Sequence {
  #value = 0;
  /** Up to here the log knows it, flushed or not. */
  #logged = 0;
  #flushed = 0;

  next(): number {
    this.#value += 1;
    if (this.#value > this.#logged) this.#logged = this.#value + loggedAhead;
    return this.#value;
  }

  setTo(value: number): void {
    this.#value = value;
    this.#logged = value;
  }

  get value(): number {
    return this.#value;
  }

  get logged(): number {
    return this.#logged;
  }

  /** A commit that waits for the disk takes along all that was logged before. */
  flush(): void {
    this.#flushed = this.#logged;
  }

  crash(): void {
    this.#value = this.#flushed;
    this.#logged = this.#flushed;
  }
}
