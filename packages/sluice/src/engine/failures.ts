// What is told of failures: the attempts of one request, and the dead of a queue in groups.
import type { Failure } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";

/** One attempt that failed and was tried again. */
export interface FailedAttempt {
  /** From 1; since the last replay. */
  readonly attempt: number;
  readonly failedAt: number;
  readonly failure: Failure;
}

/** How many of the newest dead requests `deadByError` looks at, and how many groups it tells. */
export const deadLookMax = 100_000;
export const deadGroupsMax = 100;
/** How many failed attempts `readFailures` tells. */
export const failuresMax = 1_000;

export interface DeadGroup {
  readonly errorCode: string;
  readonly count: number;
  /** The one accepted last, with its message. */
  readonly newest: { readonly id: RequestId; readonly message: string; readonly finishedAt: number };
}
