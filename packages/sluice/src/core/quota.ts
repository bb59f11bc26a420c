// How much a sender may hand in: so many within a window, all at once if it likes, given back as time passes. Pure: the
// time is passed in.
import { parseDuration } from "./duration.ts";
import { SluiceError } from "./errors.ts";

export interface Quota {
  /** As it was written: `"600/m"`. */
  readonly text: string;
  readonly count: number;
  readonly windowSeconds: number;
}

/** `"600/m"`: 600 within a minute. */
export function parseQuota(text: string): Quota {
  const [, count, unit] = /^(\d{1,12})\/(s|m|h|d)$/.exec(text.trim().replaceAll("_", "")) ?? [];
  if (count === undefined || Number(count) === 0)
    throw new SluiceError("bad-config", `expected a rate of whole requests such as 100000/h or 600/m, got "${text}"`);
  return { text: `${Number(count)}/${unit}`, count: Number(count), windowSeconds: parseDuration(`1${unit}`) / 1_000 };
}

export interface QuotaUse {
  readonly isAllowed: boolean;
  /** What is left, in whole requests. */
  readonly remaining: number;
  /** Until there are as many as were refused, in whole seconds; until the quota is whole again when it is allowed. */
  readonly afterSeconds: number;
}

/** What one API key has used. */
export class QuotaMeter {
  readonly #quota: Quota;
  readonly #perMs: number;
  #left: number;
  #at: number;

  /** `nowMs` is monotonic. */
  constructor(quota: Quota, nowMs: number) {
    this.#quota = quota;
    this.#perMs = quota.count / (quota.windowSeconds * 1_000);
    this.#left = quota.count;
    this.#at = nowMs;
  }

  /** Takes so many, or none if there are not as many. */
  take(nowMs: number, count = 1): QuotaUse {
    this.#refill(nowMs);
    const isAllowed = this.#left >= count;
    if (isAllowed) this.#left -= count;
    return this.#use(isAllowed ? undefined : count);
  }

  /** What was taken for requests that were not stored. */
  giveBack(nowMs: number, count: number): QuotaUse {
    this.#left += count;
    this.#refill(nowMs);
    return this.#use(undefined);
  }

  #use(refused: number | undefined): QuotaUse {
    const isAllowed = refused === undefined;
    const wanted = refused ?? this.#quota.count;
    const afterSeconds = Math.max(0, Math.ceil((wanted - this.#left) / this.#perMs / 1_000));
    return { isAllowed, remaining: Math.max(0, Math.floor(this.#left)), afterSeconds };
  }

  #refill(nowMs: number): void {
    this.#left = Math.min(this.#quota.count, this.#left + (nowMs - this.#at) * this.#perMs);
    this.#at = nowMs;
  }
}
