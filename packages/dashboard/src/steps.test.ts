import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import type { WireRequest } from "@sluice/client";
import { stepsOf } from "./steps.ts";

const request: WireRequest = {
  id: "01a20504-c7f2-7000-8bc9-cc6e3b3fe42b",
  queue: "orders",
  key: null,
  sender: null,
  state: "waiting",
  attempts: 0,
  acceptedAt: "2026-11-25T09:00:00.000Z",
  startedAt: null,
  finishedAt: null,
  nextAttemptAt: null,
  lastError: null,
  contentType: "application/json",
  bytes: 2,
  expectedBy: null,
  progress: null,
};
const error = { code: "timeout", message: "too slow" };
const failed = { attempt: 1, at: "2026-11-25T09:00:01.000Z", error };

test("a timeline has the acceptance, the attempts that failed and what is so now", () => {
  const scheduled = { ...request, state: "scheduled", attempts: 1, nextAttemptAt: "2026-11-25T09:01:00.000Z" } as const;
  deepEqual(stepsOf(scheduled, [failed]), [
    { kind: "accepted", title: "Accepted", at: request.acceptedAt },
    { kind: "failed", title: "Attempt 1 failed", at: failed.at, error },
    { kind: "scheduled", title: "Attempt 2 is due", at: scheduled.nextAttemptAt },
  ]);
});

test("the last step names the outcome", () => {
  const finishedAt = "2026-11-25T09:02:00.000Z";
  const last = (fields: Partial<WireRequest>): unknown => stepsOf({ ...request, ...fields }, []).at(-1);
  deepEqual(last({}), { kind: "waiting", title: "Waits for its turn", at: undefined });
  deepEqual(last({ state: "done", attempts: 1, finishedAt }), {
    kind: "done",
    title: "Done on the first attempt",
    at: finishedAt,
  });
  deepEqual(last({ state: "dead", attempts: 3, finishedAt, lastError: error }), {
    kind: "dead",
    title: "Dead on attempt 3",
    at: finishedAt,
    error,
  });
  deepEqual(last({ state: "cancelled", finishedAt }), { kind: "cancelled", title: "Cancelled", at: finishedAt });
});
