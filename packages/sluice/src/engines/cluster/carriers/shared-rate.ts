// Keeps the starts of a queue's attempts to its rate in all processes together. Redis has the tokens, or the ledger where a
// process has no Redis; while neither can be asked, and while the processes do not all ask the same one, each keeps to its
// share: two buckets would grant the rate twice.
import type { Clock } from "../../../core/clock.ts";
import type { StartsAsk, StartsGrant } from "../../../engine/engine.ts";

/** What all processes take from. */
export interface Tokens {
  /** Undefined when they cannot be had now. Never rejects. */
  take(ask: StartsAsk): Promise<StartsGrant | undefined>;
}

export interface SharedRateOptions {
  readonly tokens: Tokens;
  /** Workers of a queue, here and in all processes. */
  readonly workersOf: (queue: string) => { readonly own: number; readonly all: number };
  /** Whether the other processes with workers of the queue take from the same tokens. */
  readonly isAlike: (queue: string) => boolean;
  readonly clock: Clock;
}

export const hourMs = 3_600_000;
const burstMs = 250;
/** How often a process that keeps to its share asks again, at least: the tokens may be back. */
const retryMsMax = 1_000;
/** A token that a rounding keeps from being whole is one. */
export const rounding = 1e-6;

export class SharedRate {
  readonly #options: SharedRateOptions;
  readonly #shares = new Map<string, Share>();

  constructor(options: SharedRateOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async take(ask: StartsAsk): Promise<StartsGrant> {
    const { tokens, workersOf, isAlike, clock } = this.#options;
    let share = this.#shares.get(ask.queue);
    if (share === undefined) this.#shares.set(ask.queue, (share = new Share(clock)));
    const grant = isAlike(ask.queue) ? await tokens.take(ask) : undefined;
    if (grant === undefined) {
      const { own, all } = workersOf(ask.queue);
      return share.take(ask, Math.max(1, own) / Math.max(1, own, all));
    }
    share.empty(); // so that an outage adds nothing to what was granted
    return grant;
  }
}

/** What one process may start on its own. */
class Share {
  readonly #clock: Clock;
  /** When there was no token left; undefined before the first. */
  #emptyAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  empty(): void {
    this.#emptyAt = this.#clock.monotonic();
  }

  take({ ratePerHour, burst, wanted }: StartsAsk, part: number): StartsGrant {
    const now = this.#clock.monotonic();
    const perHour = ratePerHour * part;
    const msPerToken = hourMs / perHour;
    const most = burstOf(perHour, burst === undefined ? undefined : burst * part);
    const tokens = Math.min(most, (now - (this.#emptyAt ?? now - msPerToken)) / msPerToken);
    const granted = Math.min(wanted, Math.floor(tokens + rounding));
    const left = Math.max(0, tokens - granted);
    this.#emptyAt = now - left * msPerToken;
    return { granted, retryMs: granted < wanted ? Math.min(retryMsMax, (1 - left) * msPerToken) : 0 };
  }
}

export function microsPerToken(ratePerHour: number): number {
  return (hourMs * 1_000) / ratePerHour;
}

/** Tokens that may be saved up: a quarter of a second's worth unless set, so that any minute stays near the rate. */
export function burstOf(ratePerHour: number, burst: number | undefined): number {
  return Math.max(1, burst ?? (ratePerHour / hourMs) * burstMs);
}
