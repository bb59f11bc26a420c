import { SluiceError } from "../core/errors.ts";
import type { Grant, KeyRing } from "./access/key-ring.ts";

const retryAfterSeconds = 5;

/** What the caller was let in with. */
type Admitted = Grant | undefined | "keyless";

function ownerOf(grant: Grant | "keyless"): string {
  return grant === "keyless" ? grant : grant.id;
}

interface Held {
  readonly grant: Admitted;
  readonly end: () => void;
}

/**
 * The answers held open: waits for an outcome and event streams. Each ends when the key that it was asked with no longer holds, and
 * all of them when the gateway closes. There is room for so many, which leaves connections for everybody else, and one key has half
 * of it at most, as has the front with all who need no key there.
 */
export class HeldAnswers {
  readonly #keys: KeyRing | undefined;
  readonly #watch: Disposable | undefined;
  readonly #max: number;
  readonly #held = new Set<Held>();
  /** By the id of the key. */
  readonly #countOf = new Map<string, number>();
  #isEnded = false;

  constructor(keys: KeyRing | undefined, max: number) {
    this.#keys = keys;
    this.#max = max;
    this.#watch = keys?.watch(() => this.#review());
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * Registers what ends a held answer; after `endAll` it is called at once. Dispose when the answer is given. Errors: `overloaded`
   * when there is no room.
   */
  hold(grant: Admitted, end: () => void): Disposable {
    this.#assertRoom(grant);
    const held = { grant, end };
    this.#held.add(held);
    this.#count(grant, 1);
    if (this.#isEnded) end();
    return {
      [Symbol.dispose]: () => {
        if (this.#held.delete(held)) this.#count(grant, -1);
      },
    };
  }

  #assertRoom(grant: Admitted): void {
    const own = grant === undefined ? 0 : (this.#countOf.get(ownerOf(grant)) ?? 0);
    if (this.#held.size < this.#max && own < this.#max / 2) return;
    const message = `up to ${this.#max} answers are held open at once, ${this.#max / 2} of them for one key`;
    throw new SluiceError("overloaded", message, { retryAfterSeconds });
  }

  #count(grant: Admitted, by: number): void {
    if (grant === undefined) return;
    const owner = ownerOf(grant);
    const count = (this.#countOf.get(owner) ?? 0) + by;
    if (count === 0) this.#countOf.delete(owner);
    else this.#countOf.set(owner, count);
  }

  /** Whether what the caller was let in with still holds. */
  allows(grant: Admitted): boolean {
    return this.#keys === undefined || grant === "keyless" || this.#keys.stillHolds(grant);
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
