// Stops deliveries while a target is out, so that no attempts are burnt on it. After a pause one delivery probes
// the target: its success closes the breaker, another outage keeps it open for longer.
import type { Clock } from "../core/clock.ts";

export interface BreakerOptions {
  readonly clock: Clock;
  /** Outages in a row that open it. */
  readonly outagesMax?: number;
  readonly pauseMs?: number;
  readonly pauseMaxMs?: number;
}

export type BreakerState = "closed" | "open" | "probing";

export class Breaker {
  readonly #clock: Clock;
  readonly #outagesMax: number;
  readonly #pauseMinMs: number;
  readonly #pauseMaxMs: number;
  #state: BreakerState = "closed";
  #outages = 0;
  #pauseMs: number;
  #probeAt = 0;

  constructor({ clock, outagesMax = 5, pauseMs = 1_000, pauseMaxMs = 15_000 }: BreakerOptions) {
    this.#clock = clock;
    this.#outagesMax = outagesMax;
    this.#pauseMinMs = pauseMs;
    this.#pauseMaxMs = pauseMaxMs;
    this.#pauseMs = pauseMs;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** How many deliveries may start now. */
  room(): number {
    if (this.#state === "closed") return Number.POSITIVE_INFINITY;
    return this.#state === "open" && this.waitMs() === 0 ? 1 : 0;
  }

  /** Milliseconds until the next probe; infinite while one is under way. */
  waitMs(): number {
    if (this.#state === "closed") return 0;
    return this.#state === "open" ? Math.max(0, this.#probeAt - this.#clock.monotonic()) : Number.POSITIVE_INFINITY;
  }

  /** A delivery starts: on an open breaker it is the probe. */
  started(): void {
    if (this.#state === "open") this.#state = "probing";
  }

  /** The target answered, be it with an error of the request's own. */
  answered(): void {
    this.#state = "closed";
    this.#outages = 0;
    this.#pauseMs = this.#pauseMinMs;
  }

  /** The attempt ended without telling anything of the target: cut off by a shutdown. */
  unknown(): void {
    if (this.#state === "probing") this.#state = "open";
  }

  failed(): void {
    this.#outages += 1;
    if (this.#state === "closed" && this.#outages < this.#outagesMax) return;
    if (this.#state === "probing") this.#pauseMs = Math.min(this.#pauseMs * 2, this.#pauseMaxMs);
    if (this.#state !== "open") this.#probeAt = this.#clock.monotonic() + this.#pauseMs;
    this.#state = "open";
  }
}
