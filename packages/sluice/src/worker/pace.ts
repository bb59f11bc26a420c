import type { Clock } from "../core/clock.ts";

const sliceMs = 100;

/** How fast attempts end at present: the measure for claiming ahead of need. */
export class Pace {
  readonly #clock: Clock;
  #sliceStartedAt: number;
  #count = 0;
  #perMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sliceStartedAt = clock.monotonic();
  }

  finished(): void {
    this.#count += 1;
  }

  /** How many end within so many milliseconds, by the pace of the last slice of time. */
  within(ms: number): number {
    const now = this.#clock.monotonic();
    const passedMs = now - this.#sliceStartedAt;
    if (passedMs >= sliceMs) {
      this.#perMs = this.#count / passedMs;
      this.#count = 0;
      this.#sliceStartedAt = now;
    }
    return Math.floor(this.#perMs * ms);
  }
}
