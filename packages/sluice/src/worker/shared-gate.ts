// Keeps the starts of attempts to a rate that all workers of a queue share. The engine has the rate; this gate asks it
// for permits: only when an attempt could begin and none is left, one ask at a time, and never for more than begins
// soon. It holds no timer: the worker comes back after `waitMs`, or when `onAnswer` calls it.
import type { Clock } from "../core/clock.ts";
import type { StartsAsk, StartsGrant } from "../engine/engine.ts";
import type { Gate } from "./gate.ts";

export interface SharedGateOptions {
  readonly starts: (ask: StartsAsk) => Promise<StartsGrant>;
  readonly queue: string;
  readonly ratePerHour: number;
  readonly burst?: number | undefined;
  readonly clock: Clock;
  /** How many attempts could begin now or very soon. */
  readonly startable: () => number;
  /** The engine answered: there are permits, or `waitMs` tells when to ask again. */
  readonly onAnswer: () => void;
}

const hourMs = 3_600_000;
/** No ask is for more than starts within this time at the full rate. */
const askedMs = 50;
/** Permits that were not used by then are void: what is saved up here would break the rate of all. */
const permitMs = 250;

export class SharedGate implements Gate {
  readonly #options: SharedGateOptions;
  readonly #perMs: number;
  #permits = 0;
  #voidAt = 0;
  #askAt = 0;
  #asking: Promise<void> | undefined;

  constructor(options: SharedGateOptions) {
    this.#options = options;
    this.#perMs = options.ratePerHour / hourMs;
  }

  take(): boolean {
    const now = this.#options.clock.monotonic();
    if (this.#permits > 0 && now < this.#voidAt) {
      this.#permits -= 1;
      return true;
    }
    this.#permits = 0;
    if (this.#asking === undefined && now >= this.#askAt) this.#asking = this.#ask();
    return false;
  }

  /** As if this worker were the only one, unless the engine said that none is to be had so soon. */
  within(ms: number): number {
    return this.#untilAskMs() > ms ? 0 : Math.floor(ms * this.#perMs) + 1;
  }

  waitMs(count = 1): number {
    if (this.#asking !== undefined) return Number.POSITIVE_INFINITY;
    return Math.max(this.#untilAskMs(), (count - 1) / this.#perMs);
  }

  async close(): Promise<void> {
    await this.#asking;
  }

  #untilAskMs(): number {
    return Math.max(0, this.#askAt - this.#options.clock.monotonic());
  }

  async #ask(): Promise<void> {
    const { starts, queue, ratePerHour, burst, clock, startable, onAnswer } = this.#options;
    const most = Math.floor(askedMs * this.#perMs) + 1;
    const wanted = Math.max(1, Math.min(most, startable()));
    const { granted, retryMs } = await starts({ queue, ratePerHour, burst, wanted });
    const now = clock.monotonic();
    this.#permits = granted;
    this.#voidAt = now + permitMs;
    this.#askAt = granted < wanted ? now + retryMs : now;
    this.#asking = undefined;
    onAnswer();
  }
}
