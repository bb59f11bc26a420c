// Keeps the starts of attempts to a queue's rate. The gate saves up at most a burst while nothing starts: a quarter of
// a second's worth unless set, so that any minute stays within one percent of the rate.
import type { Clock } from "../core/clock.ts";
import type { Gate } from "./gate.ts";

export interface RateGateOptions {
  /** Unlimited when undefined. */
  readonly ratePerHour: number | undefined;
  /** Starts that may come at once after a pause. */
  readonly burst?: number | undefined;
  readonly clock: Clock;
}

const hourMs = 3_600_000;
const burstMs = 250;

export class RateGate implements Gate {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #countedAt: number;

  constructor({ ratePerHour, burst, clock }: RateGateOptions) {
    this.#clock = clock;
    this.#perMs = ratePerHour === undefined ? Number.POSITIVE_INFINITY : ratePerHour / hourMs;
    this.#burst = Math.max(1, burst ?? this.#perMs * burstMs);
    this.#tokens = 1; // a start is no reason for a burst
    this.#countedAt = clock.monotonic();
  }

  take(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  within(ms: number): number {
    this.#refill();
    return this.#perMs === Number.POSITIVE_INFINITY ? this.#perMs : Math.floor(this.#tokens + ms * this.#perMs);
  }

  waitMs(count = 1): number {
    this.#refill();
    return this.#tokens >= count ? 0 : (count - this.#tokens) / this.#perMs;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    if (this.#perMs === Number.POSITIVE_INFINITY) this.#tokens = this.#perMs;
    else this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#countedAt) * this.#perMs);
    this.#countedAt = now;
  }
}
