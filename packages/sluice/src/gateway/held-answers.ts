import type { Grant, KeyRing } from "./access/key-ring.ts";

interface Held {
  readonly grant: Grant | undefined;
  readonly end: () => void;
}

/**
 * The answers held open: waits for an outcome and event streams. Each ends when the key that it was asked with no longer holds, and
 * all of them when the gateway closes.
 */
export class HeldAnswers {
  readonly #keys: KeyRing | undefined;
  readonly #watch: Disposable | undefined;
  readonly #held = new Set<Held>();
  #isEnded = false;

  constructor(keys: KeyRing | undefined) {
    this.#keys = keys;
    this.#watch = keys?.watch(() => this.#review());
  }

  /** Registers what ends a held answer; after `endAll` it is called at once. Dispose when the answer is given. */
  hold(grant: Grant | undefined, end: () => void): Disposable {
    const held = { grant, end };
    this.#held.add(held);
    if (this.#isEnded) end();
    return { [Symbol.dispose]: () => void this.#held.delete(held) };
  }

  /** Whether what the caller was let in with still holds. */
  allows(grant: Grant | undefined): boolean {
    return this.#keys === undefined || this.#keys.stillHolds(grant);
  }

  #review(): void {
    for (const { grant, end } of this.#held) if (!this.allows(grant)) end();
  }

  endAll(): void {
    this.#isEnded = true;
    this.#watch?.[Symbol.dispose]();
    for (const { end } of this.#held) end();
  }
}
