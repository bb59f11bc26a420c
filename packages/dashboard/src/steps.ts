// What became of a request, step by step. Pure.
import type { WireFailedAttempt, WireFailure, WireRequest } from "@sluice/client";

export interface Step {
  readonly kind: "accepted" | "failed" | "running" | "waiting" | "scheduled" | "done" | "dead" | "cancelled";
  readonly title: string;
  /** Undefined when it is not known. */
  readonly at: string | undefined;
  readonly error?: WireFailure;
}

export function stepsOf(request: WireRequest, failures: readonly WireFailedAttempt[]): readonly Step[] {
  return [
    { kind: "accepted", title: "Accepted", at: request.acceptedAt },
    ...failures.map(({ attempt, at, error }): Step => ({
      kind: "failed",
      title: `Attempt ${attempt} failed`,
      at,
      error,
    })),
    presentOf(request),
  ];
}

function presentOf({ state, attempts, startedAt, finishedAt, nextAttemptAt, lastError }: WireRequest): Step {
  const at = finishedAt ?? undefined;
  const ending = attempts === 1 ? "on the first attempt" : `on attempt ${attempts}`;
  switch (state) {
    case "waiting":
      return {
        kind: "waiting",
        title: attempts === 0 ? "Waits for its turn" : "Waits to be tried again",
        at: undefined,
      };
    case "scheduled":
      return { kind: "scheduled", title: `Attempt ${attempts + 1} is due`, at: nextAttemptAt ?? undefined };
    case "running":
      return { kind: "running", title: `Attempt ${attempts + 1} runs since`, at: startedAt ?? undefined };
    case "done":
      return { kind: "done", title: `Done ${ending}`, at };
    case "dead":
      return { kind: "dead", title: `Dead ${ending}`, at, ...(lastError === null ? {} : { error: lastError }) };
    case "cancelled":
      return { kind: "cancelled", title: "Cancelled", at };
    default:
      return state satisfies never;
  }
}
