// How much of a worker's capacity goes to requests that failed before. They pay for themselves: while others wait they get
// one in twenty-five of the starts and of the places, and a quarter of the places is never theirs, so that requests which
// hang cannot hold all of them. Pure: the clock is passed in.
import type { Clock } from "./clock.ts";

export interface RetryShareOptions {
  /** Attempts that run at once. */
  readonly concurrency: number;
  readonly clock: Clock;
}

/** Bounds on the requests of one delivery that failed before. */
export interface RetryBounds {
  /** How many may come before those that have not failed; the others come after them. */
  readonly first: number;
  /** How many may come at all; at least `first`. */
  readonly most: number;
}

/** The others' part for each of theirs. */
const othersPart = 24;
const startsSavedMax = 8;

export class RetryShare {
  readonly #clock: Clock;
  /** Places that they may hold at all, and while others wait. */
  #placesMax = 0;
  #placesFirst = 1;
  /** How long a place rests after each millisecond that one of them held it, while others wait. */
  #restPerMs = 0;
  #held = 0;
  #starts = 1;
  #restUntil = 0;

  constructor({ concurrency, clock }: RetryShareOptions) {
    this.#clock = clock;
    this.resize(concurrency);
  }

  /** Other attempts run at once from now on. */
  resize(concurrency: number): void {
    const share = concurrency / (othersPart + 1);
    this.#placesMax = concurrency - (concurrency > 1 ? Math.ceil(concurrency / 4) : 0);
    this.#placesFirst = Math.max(1, Math.floor(share));
    this.#restPerMs = Math.max(0, 1 / share - 1);
  }

  /** For the next delivery. A probe is of a request that has not failed, if there is one, and otherwise of any. */
  bounds({ isProbe = false } = {}): RetryBounds {
    if (isProbe) return { first: 0, most: 1 };
    const most = Math.max(0, this.#placesMax - this.#held);
    const places = this.#clock.monotonic() < this.#restUntil ? 0 : this.#placesFirst - this.#held;
    return { first: Math.max(0, Math.min(places, Math.floor(this.#starts), most)), most };
  }

  /** One of them was delivered. */
  claimed(): void {
    this.#held += 1;
  }

  /** One of them left its place: it ended after so long, or was handed back without a start. */
  released(durationMs: number): void {
    this.#held -= 1;
    this.#restUntil = Math.max(this.#restUntil, this.#clock.monotonic() + durationMs * this.#restPerMs);
  }

  started({ isRetry }: { readonly isRetry: boolean }): void {
    if (isRetry) this.#starts = Math.max(0, this.#starts - 1);
    else if (this.#starts < startsSavedMax) this.#starts += 1 / othersPart;
  }
}
