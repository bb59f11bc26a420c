// Whether and when a call is made again. Pure: time and chance are passed in.

export interface RepeatPolicy {
  /** Attempts of one call, the first included. */
  readonly attemptsMax: number;
  /** Time after which no further attempt begins, in milliseconds. */
  readonly elapsedMaxMs: number;
  /** The first backoff; it doubles with every attempt. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** How long one attempt may take; a wait that was asked for comes on top. */
  readonly attemptTimeoutMs: number;
}

/** Eight attempts within two minutes. */
export const defaultRepeatPolicy: RepeatPolicy = {
  attemptsMax: 8,
  elapsedMaxMs: 120_000,
  backoffMs: 200,
  backoffMaxMs: 20_000,
  attemptTimeoutMs: 30_000,
};

export interface RepeatInput {
  /** Which attempt failed, from 1. */
  readonly attempt: number;
  readonly elapsedMs: number;
  readonly retryAfterMs: number | undefined;
  readonly policy: RepeatPolicy;
  /** From 0 up to 1, for the jitter. */
  readonly random: number;
}

export type RepeatDecision = { readonly kind: "repeat"; readonly afterMs: number } | { readonly kind: "give-up" };

/** A timer that is set for longer fires at once. */
const timerMaxMs = 2 ** 31 - 1;

/** Exponential backoff with full jitter; Retry-After is the least wait. */
export function decideRepeat({ attempt, elapsedMs, retryAfterMs = 0, policy, random }: RepeatInput): RepeatDecision {
  if (attempt >= policy.attemptsMax) return { kind: "give-up" };
  const ceilingMs = Math.min(policy.backoffMaxMs, policy.backoffMs * 2 ** Math.min(attempt - 1, 50));
  const afterMs = Math.min(Math.max(Math.ceil(random * ceilingMs), retryAfterMs), timerMaxMs);
  return elapsedMs + afterMs > policy.elapsedMaxMs ? { kind: "give-up" } : { kind: "repeat", afterMs };
}
