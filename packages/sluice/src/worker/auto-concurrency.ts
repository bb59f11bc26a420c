// The attempts that a target gets at once where nobody said how many: what AutoLimit finds, shown and logged.
import { AutoLimit, type AutoEnd, type AutoStart } from "../core/auto-limit.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import { observe, type Meter } from "../telemetry/meter.ts";
import { timeoutCode, type End } from "./attempt.ts";

export interface AutoConcurrencyOptions {
  readonly queue: string;
  /** The limit never exceeds it. */
  readonly concurrency: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter?: Meter | undefined;
}

/** As long as a breaker would pause: one sender's limit must not hold the others for longer. */
const retryAfterMaxMs = 60_000;
/** A log line for a change by more than a tenth, and not for each on the way. */
const loggedChange = 0.1;
const logEveryMs = 5_000;

export class AutoConcurrency {
  readonly #options: AutoConcurrencyOptions;
  readonly #limit: AutoLimit;
  readonly #shown: Disposable | undefined;
  #logged: { readonly limit: number; readonly at: number };

  constructor(options: AutoConcurrencyOptions) {
    const { queue, concurrency, clock, meter } = options;
    this.#options = options;
    this.#limit = new AutoLimit({ max: concurrency });
    this.#logged = { limit: this.#limit.base, at: clock.monotonic() };
    this.#shown = meter?.addObserver(() => [observe("sluice.concurrency.limit", { queue }, this.#limit.base)]);
  }

  /** Without what it tries at the moment. */
  get base(): number {
    return this.#limit.base;
  }

  get limit(): number {
    return this.#limit.limit;
  }

  started(): AutoStart {
    return this.#limit.started(this.#options.clock.monotonic());
  }

  ended(start: AutoStart, end: End): void {
    const nowMs = this.#options.clock.monotonic();
    this.#limit.ended(start, { nowMs, ...meaningOf(end) });
    this.#logChange(nowMs);
  }

  close(): void {
    this.#shown?.[Symbol.dispose]();
  }

  #logChange(nowMs: number): void {
    const { base, ratePerHour } = this.#limit;
    const { limit, at } = this.#logged;
    if (nowMs - at < logEveryMs || Math.abs(base - limit) <= loggedChange * limit) return;
    this.#logged = { limit: base, at: nowMs };
    const { queue, log } = this.#options;
    const perHour = ratePerHour === undefined ? undefined : Math.round(ratePerHour);
    log.info({ queue, concurrency: base, was: limit, ratePerHour: perHour }, "the target's capacity was measured");
  }
}

function meaningOf(end: End): Pick<AutoEnd, "kind" | "retryAfterMs"> {
  if (end.kind === "done") return { kind: "answered" };
  if (end.kind !== "failed") return { kind: "failed" };
  const { code, retryAfterMs } = end.failure;
  if (code === timeoutCode) return { kind: "answered" }; // it took so long at least
  if (code !== "target-status" || end.blame !== "outage") return { kind: "failed" };
  return { kind: "overload", retryAfterMs: Math.min(retryAfterMs ?? 0, retryAfterMaxMs) };
}
