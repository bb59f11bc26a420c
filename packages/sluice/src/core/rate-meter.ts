// Counts what happened within the last minute, five minutes and hour, as far as this process has observed them.
import type { Clock } from "./clock.ts";

/** Counts over the last minute, five minutes and hour. */
export interface WindowCounts {
  readonly m1: number;
  readonly m5: number;
  readonly h1: number;
  /** How much of the last hour was observed: what happened before is not counted. */
  readonly observedMs: number;
}

/** Per hour. */
export interface Rates {
  readonly m1: number;
  readonly m5: number;
  readonly h1: number;
}

const slotMs = 5_000;
const windowMs = { m1: 60_000, m5: 300_000, h1: 3_600_000 } as const;
const slots = windowMs.h1 / slotMs + 1; // an hour, and the part of one that fills now

export const nothingCounted: WindowCounts = { m1: 0, m5: 0, h1: 0, observedMs: 0 };

/**
 * The average over the whole of each window. A window that was observed in part is never scaled up: a thousand within the
 * first second are a thousand in this hour. So `h1` is the count of the last hour as well.
 */
export function ratesOf({ m1, m5, h1 }: WindowCounts): Rates {
  return { m1: m1 * 60, m5: m5 * 12, h1 };
}

/** A shorter time says too little of how fast something goes. */
const observedMsMin = 10_000;

/** The rate per hour in the part of a window that was observed: for decisions that cannot wait until all of it was. */
export function observedPerHour(counts: WindowCounts, window: "m1" | "m5"): number {
  const spanMs = Math.min(windowMs[window], Math.max(observedMsMin, counts.observedMs));
  return (counts[window] / spanMs) * windowMs.h1;
}

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

  counts(): WindowCounts {
    const now = this.#clock.monotonic();
    this.#advance();
    const observedMs = Math.min(windowMs.h1, now - this.#startedAt);
    const filled = now / slotMs - this.#slot;
    const within = (window: number): number => Math.round(this.#within(window / slotMs, filled));
    return { m1: within(windowMs.m1), m5: within(windowMs.m5), h1: within(windowMs.h1), observedMs };
  }

  /** Of the oldest slot, the part that lies within the window. */
  #within(older: number, filled: number): number {
    let sum = 0;
    for (let back = 0; back < older; back += 1) sum += this.#back(back);
    return sum + this.#back(older) * (1 - filled);
  }

  #back(back: number): number {
    return this.#counts[(this.#slot - back + slots * 2) % slots] as number;
  }

  #advance(): void {
    const slot = Math.floor(this.#clock.monotonic() / slotMs);
    const passed = Math.min(slot - this.#slot, slots);
    for (let step = 1; step <= passed; step += 1) this.#counts[(this.#slot + step) % slots] = 0;
    this.#slot = Math.max(slot, this.#slot);
  }
}
