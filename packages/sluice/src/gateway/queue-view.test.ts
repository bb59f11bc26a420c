import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { QueueStatus } from "../engine/engine.ts";
import { expectedBy, retryAfterSeconds, unusedQueue, viewOfQueue, waitMsOf } from "./queue-view.ts";

const now = Date.parse("2026-01-01T00:00:00Z");
const hourMs = 3_600_000;
const rates = (perHour: number): QueueStatus["accepting"] => ({
  m1: perHour / 60,
  m5: perHour / 12,
  h1: perHour,
  observedMs: hourMs,
});
const busy: QueueStatus = {
  ...unusedQueue("orders"),
  backlog: 1_000,
  counts: { ...unusedQueue("orders").counts, waiting: 1_000 },
  oldestWaitingAt: now - hourMs,
  workers: 1,
  breakersOpen: 0,
  accepting: rates(200),
  finishing: rates(1_200),
};

describe("what is expected of a queue", () => {
  test("it drains when more is finished than arrives", () => {
    assert.deepEqual(viewOfQueue(busy, { now, ratePerHour: undefined }).forecast, {
      kind: "drains",
      at: "2026-01-01T01:00:00.000Z",
    });
  });

  test("it is stalled while it is paused, has no worker or its target is down, and no end is expected", () => {
    const since = "2025-12-31T23:00:00.000Z";
    for (const [stopped, reason] of [
      [{ isPaused: true, pausedAt: now - hourMs }, "paused"],
      [{ workers: 0, stoppedAt: now - hourMs }, "no-workers"],
      [{ breakersOpen: 1, stoppedAt: now - hourMs }, "target-down"],
    ] as const) {
      const status = { ...busy, ...stopped };
      assert.deepEqual(viewOfQueue(status, { now, ratePerHour: 1_200 }).forecast, { kind: "stalled", since, reason });
      assert.equal(waitMsOf(status, { now, ratePerHour: 1_200 }), undefined);
    }
  });

  test("a new request waits for all that is before it", () => {
    assert.equal(waitMsOf(busy, { now, ratePerHour: undefined }), (1_000 / 1_200) * hourMs);
    assert.equal(retryAfterSeconds(waitMsOf(busy, { now, ratePerHour: undefined })), 3_000);
    assert.equal(retryAfterSeconds(0), 1);
  });
});

describe("when a request is expected to be finished", () => {
  const line = { now, oldestWaitingAt: now - hourMs, waitMs: hourMs };
  const waiting = { state: "waiting", acceptedAt: now - hourMs / 2, nextAttemptAt: undefined } as const;

  test("in the middle of the line, half of the line's wait from now", () => {
    assert.equal(expectedBy(waiting, line), now + hourMs / 2);
  });

  test("at the head of the line, now; at its end, after the whole wait", () => {
    assert.equal(expectedBy({ ...waiting, acceptedAt: now - hourMs }, line), now);
    assert.equal(expectedBy({ ...waiting, acceptedAt: now }, line), now + hourMs);
  });

  test("a scheduled one, when it is due; a final one or one without a rate, not at all", () => {
    assert.equal(expectedBy({ ...waiting, state: "scheduled", nextAttemptAt: now + 5 }, line), now + 5);
    assert.equal(expectedBy({ ...waiting, state: "done" }, line), undefined);
    assert.equal(expectedBy(waiting, { ...line, waitMs: undefined }), undefined);
  });
});
