import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { QueueStatus } from "../engine/engine.ts";
import { expectedBy, isStopped, isTried, retryAfterSeconds, unusedQueue, viewOfQueue } from "./queue-view.ts";

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
    assert.deepEqual(
      viewOfQueue(busy, { now, ratePerHour: undefined, capacityPerHour: undefined, standstill: undefined }).forecast,
      {
        kind: "drains",
        at: "2026-01-01T01:00:00.000Z",
      },
    );
  });

  test("it is stalled while it is paused, has no worker or its target is down, and no end is expected", () => {
    const since = "2025-12-31T23:00:00.000Z";
    for (const [stopped, reason] of [
      [{ isPaused: true, pausedAt: now - hourMs }, "paused"],
      [{ workers: 0, stoppedAt: now - hourMs }, "no-workers"],
      [{ breakersOpen: 1, stoppedAt: now - hourMs }, "target-down"],
    ] as const) {
      const status = { ...busy, ...stopped };
      const view = viewOfQueue(status, { now, ratePerHour: 1_200, capacityPerHour: 1_200, standstill: undefined });
      assert.deepEqual(view.forecast, { kind: "stalled", since, reason });
      assert.ok(isStopped(status));
    }
  });

  test("it is stalled while nothing finishes for long: a first request may take its time", () => {
    const since = now - hourMs;
    const stalled = { kind: "stalled", since: "2025-12-31T23:00:00.000Z", reason: "nothing-finishes" };
    const kindAt = (capacityPerHour: number | undefined, isLong: boolean, status = busy) =>
      viewOfQueue(status, { now, ratePerHour: undefined, capacityPerHour, standstill: { since, isLong } }).forecast;
    assert.deepEqual(kindAt(1_200, true), stalled);
    assert.equal(kindAt(1_200, false).kind, "drains");
    assert.equal(kindAt(undefined, false).kind, "drains", "by what was finished within the last minute");
    const fresh = { ...busy, accepting: rates(0), finishing: rates(0) };
    assert.equal(kindAt(undefined, false, fresh).kind, "drains");
    assert.deepEqual(kindAt(undefined, true, fresh), stalled);
  });

  test("it is tried while something runs, waits or is due soon, and delivered unless it runs", () => {
    const counts = { ...busy.counts, waiting: 0 };
    const soon = { counts, firstDueAt: now + 59_999 };
    for (const [fields, expected] of [
      [{}, true],
      [{ isPaused: true }, false],
      [{ counts }, false],
      [{ counts: { ...counts, running: 1 }, isPaused: true }, true],
      [soon, true],
      [{ ...soon, workers: 0 }, false],
      [{ counts, firstDueAt: now + 60_000 }, false],
    ] as const)
      assert.equal(isTried({ ...busy, ...fields }, now), expected, JSON.stringify(fields));
  });

  test("who asks when to come again is told the wait, a second at least, and a minute while it is unknown", () => {
    assert.deepEqual([3_000_000, 0, undefined].map(retryAfterSeconds), [3_000, 1, 60]);
  });
});

describe("when a request is expected to be finished", () => {
  /** One whose turn has come takes five; the whole line takes an hour. */
  const withinMs = (share: number): number => (share === 0 ? 5 : hourMs * share);
  const line = { now, oldestWaitingAt: now - hourMs, withinMs };
  const waiting = {
    state: "waiting",
    acceptedAt: now - hourMs / 2,
    startedAt: undefined,
    nextAttemptAt: undefined,
  } as const;

  test("in the middle of the line, half of the line's wait from now", () => {
    assert.equal(expectedBy(waiting, line), now + hourMs / 2);
  });

  test("at the head of the line, in its turn; at its end, after the whole wait", () => {
    assert.equal(expectedBy({ ...waiting, acceptedAt: now - hourMs }, line), now + 5);
    assert.equal(expectedBy({ ...waiting, acceptedAt: now }, line), now + hourMs);
  });

  test("a scheduled or running one, as long after its begin as one takes, and not in the past", () => {
    assert.equal(expectedBy({ ...waiting, state: "scheduled", nextAttemptAt: now + 7 }, line), now + 12);
    assert.equal(expectedBy({ ...waiting, state: "running", startedAt: now - 2 }, line), now + 3);
    assert.equal(expectedBy({ ...waiting, state: "running", startedAt: now - 99 }, line), now);
  });

  test("a final one or one of which nothing is known, not at all", () => {
    assert.equal(expectedBy({ ...waiting, state: "done" }, line), undefined);
    for (const state of ["waiting", "scheduled", "running"] as const)
      assert.equal(expectedBy({ ...waiting, state }, { ...line, withinMs: () => undefined }), undefined);
  });
});
