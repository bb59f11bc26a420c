// What becomes of a request after a failed attempt. Pure: time and chance are passed in.
import type { Failure } from "./request.ts";

export interface RetryPolicy {
  /** Failed attempts until the request is dead. */
  readonly attemptsMax: number;
  /** The first backoff; it doubles with every failed attempt. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** The longest wait that a target's Retry-After gets. */
  readonly retryAfterMaxMs: number;
  /** Age since acceptance at which a failure is final. */
  readonly ageMaxMs: number;
}

/** Twenty attempts within two hours; no age limit short of 30 days. An outage of the target burns none of them. */
export const defaultRetryPolicy: RetryPolicy = {
  attemptsMax: 20,
  backoffMs: 1_000,
  backoffMaxMs: 600_000,
  retryAfterMaxMs: 600_000,
  ageMaxMs: 30 * 86_400_000,
};

/** How one attempt failed. */
export interface AttemptFailure extends Failure {
  /** False when trying again cannot help: the request is dead. */
  readonly isRetryable: boolean;
  /** False when the handler never began, or an outage is to blame (I4). */
  readonly isCounted: boolean;
  /** The least wait that the target or handler asked for. */
  readonly retryAfterMs: number | undefined;
}

export interface RetryInput {
  readonly failure: AttemptFailure;
  /** Which attempt this was, from 1. */
  readonly attempt: number;
  readonly acceptedAt: number;
  readonly now: number;
  readonly policy: RetryPolicy;
  /** From 0 up to 1, for the jitter. */
  readonly random: number;
}

export type RetryDecision = { readonly kind: "retry"; readonly dueAt: number } | { readonly kind: "dead" };

export function decideRetry({ failure, attempt, acceptedAt, now, policy, random }: RetryInput): RetryDecision {
  if (!failure.isRetryable) return { kind: "dead" };
  if (failure.isCounted && attempt >= policy.attemptsMax) return { kind: "dead" };
  const ownDueAt = now + backoffMs(attempt, policy, random);
  const ageEnd = acceptedAt + policy.ageMaxMs;
  if (ownDueAt > ageEnd) return { kind: "dead" };
  // However long a wait somebody asks for, it makes no request dead.
  return { kind: "retry", dueAt: Math.max(ownDueAt, Math.min(now + (failure.retryAfterMs ?? 0), ageEnd)) };
}

/** Exponential backoff with full jitter, up to the policy's bound. */
function backoffMs(attempt: number, policy: RetryPolicy, random: number): number {
  const ceilingMs = Math.min(policy.backoffMaxMs, policy.backoffMs * 2 ** Math.min(attempt - 1, 50));
  return Math.max(1, Math.ceil(random * ceilingMs));
}
