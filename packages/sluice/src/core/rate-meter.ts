// Counts what happens and tells the rate per hour over the last minute, five minutes and hour.
import type { Clock } from "./clock.ts";

export interface Rates {
  readonly m1: number;
  readonly m5: number;
  readonly h1: number;
}

const slotMs = 5_000;
const slots = 721; // an hour of full slots and the one that fills now

export class RateMeter {
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #counts = new Float64Array(slots);
  #slot: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
    this.#slot = Math.floor(this.#startedAt / slotMs);
  }

  add(count: number): void {
    this.#advance();
    const index = this.#slot % slots;
    this.#counts[index] = (this.#counts[index] as number) + count;
  }

  /** Per hour; a window longer than the meter has lived is scaled to its life. */
  rates(): Rates {
    this.#advance();
    return { m1: this.#perHour(60_000), m5: this.#perHour(300_000), h1: this.#perHour(3_600_000) };
  }

  #perHour(windowMs: number): number {
    const now = this.#clock.monotonic();
    const filledMs = now - this.#slot * slotMs;
    const older = Math.round(windowMs / slotMs);
    let sum = 0;
    for (let back = 0; back <= older; back += 1) sum += this.#counts[(this.#slot - back + slots * 2) % slots] as number;
    const spanMs = Math.min(windowMs + filledMs, Math.max(1_000, now - this.#startedAt));
    return Math.round((sum / spanMs) * 3_600_000);
  }

  #advance(): void {
    const slot = Math.floor(this.#clock.monotonic() / slotMs);
    const passed = Math.min(slot - this.#slot, slots);
    for (let step = 1; step <= passed; step += 1) this.#counts[(this.#slot + step) % slots] = 0;
    this.#slot = Math.max(slot, this.#slot);
  }
}
