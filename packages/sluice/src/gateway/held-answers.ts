/** The answers held open: waits for an outcome and event streams. Closing the gateway ends them all. */
export class HeldAnswers {
  readonly #enders = new Set<() => void>();
  #isEnded = false;

  /** Registers what ends a held answer; after `endAll` it is called at once. Dispose when the answer is given. */
  hold(end: () => void): Disposable {
    this.#enders.add(end);
    if (this.#isEnded) end();
    return { [Symbol.dispose]: () => void this.#enders.delete(end) };
  }

  endAll(): void {
    this.#isEnded = true;
    for (const end of this.#enders) end();
  }
}
