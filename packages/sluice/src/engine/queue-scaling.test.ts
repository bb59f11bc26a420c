import assert from "node:assert/strict";
import { test } from "node:test";
import { nothingCounted } from "../core/rate-meter.ts";
import { states, type StateCounts } from "../core/request.ts";
import type { QueueStatus } from "./engine.ts";
import { noDeliveries } from "./engine.ts";
import { QueueScaling } from "./queue-scaling.ts";

const idle: QueueStatus = {
  queue: "orders",
  isPaused: false,
  pausedAt: undefined,
  accepted: 0,
  backlog: 0,
  backlogBytes: 0,
  oldestWaitingAt: undefined,
  counts: Object.fromEntries(states.map((state) => [state, 0])) as StateCounts,
  firstDueAt: undefined,
  lastDueAt: undefined,
  workers: 0,
  breakersOpen: 0,
  stoppedAt: undefined,
  deliveries: noDeliveries,
  accepting: nothingCounted,
  finishing: nothingCounted,
  replicasAsked: undefined,
};
const waiting: QueueStatus = { ...idle, backlog: 3_000, counts: { ...idle.counts, waiting: 3_000 } };

function openScaling(holdMs = 1_000) {
  let ms = 0;
  const clock = { now: () => ms, monotonic: () => ms };
  const goal = { min: 1, max: 8, maxWaitMs: 1_000, ratePerHour: undefined, holdMs };
  const scaling = new QueueScaling({ goal, clock });
  const decide = (at: number, status: QueueStatus, present = 0): number => decision(at, status, present).replicas;
  const decision = (at: number, status: QueueStatus, present = 0) => {
    ms = at;
    return scaling.decide(status, present);
  };
  return Object.assign(decide, { decision });
}

test("after a restart without workers a backlog keeps the replicas that were asked for last", () => {
  const decide = openScaling();
  assert.deepEqual(
    [0, 500, 5_000].map((at) => decide(at, { ...waiting, replicasAsked: 4 })),
    [4, 4, 4],
  );
});

test("after a restart the replicas that were asked for last are held, though nothing waits any more", () => {
  const decide = openScaling();
  assert.deepEqual(
    [0, 999, 1_000].map((at) => decide(at, { ...idle, replicasAsked: 4 })),
    [4, 4, 1],
  );
});

test("before the first number those that are there are held", () => {
  const decide = openScaling();
  assert.deepEqual(
    [0, 500, 1_000].map((at) => decide(at, idle, 3)),
    [3, 3, 1],
  );
});

test("an idle queue with a long hold does not keep what another queue asked for", () => {
  const decide = openScaling(600_000);
  assert.equal(decide(0, { ...idle, replicasAsked: 1 }, 1), 1);
  assert.deepEqual(
    [1_000, 2_000, 3_000].map((at, index) => decide(at, { ...idle, replicasAsked: 1 }, [6, 4, 5][index])),
    [1, 1, 1],
  );
});

test("while the target is down, the number asked for last and the measured rate stay, and no wait is told", () => {
  const { decision } = openScaling();
  const at = (seconds: number, left: number, breakersOpen = 0) =>
    decision(seconds * 1_000, {
      ...waiting,
      workers: 2,
      breakersOpen,
      backlog: left,
      oldestWaitingAt: 0,
      counts: { ...idle.counts, waiting: left, done: 3_000 - left },
      replicasAsked: 4,
    });
  at(0, 3_000);
  assert.equal(at(1, 2_900).perReplicaPerHour, 180_000);
  // One probe and then another goes well before the target is back.
  const down = [at(2, 2_890, 2), at(3, 2_889, 2), at(4, 2_888, 2)];
  for (const { replicas, reason, forecastWaitMs, perReplicaPerHour } of down) {
    assert.deepEqual([replicas, reason.kind, perReplicaPerHour], [4, "target-down", 180_000]);
    assert.equal(forecastWaitMs, Number.POSITIVE_INFINITY);
  }
  assert.equal(at(5, 2_880).perReplicaPerHour, 180_000, "the first reading after it is of both");
  const back = at(6, 2_780);
  assert.equal(back.perReplicaPerHour, 180_000);
  assert.ok(Number.isFinite(back.forecastWaitMs));
});

test("a worker that is cut off from the target is not counted in the rate of the others", () => {
  const { decision } = openScaling();
  const at = (seconds: number, done: number) =>
    decision(seconds * 1_000, { ...waiting, workers: 2, breakersOpen: 1, counts: { ...waiting.counts, done } });
  at(0, 0);
  assert.equal(at(1, 50).perReplicaPerHour, 180_000);
});

test("a paused queue tells no wait", () => {
  const { decision } = openScaling();
  const { replicas, forecastWaitMs } = decision(2_000, { ...waiting, isPaused: true, workers: 1 });
  assert.deepEqual([replicas, forecastWaitMs], [1, Number.POSITIVE_INFINITY]);
});

test("the open breaker of a queue in which nothing is left keeps no replicas", () => {
  const decide = openScaling();
  const left = { ...idle, workers: 2, breakersOpen: 2, replicasAsked: 4 };
  assert.deepEqual(
    [0, 1_000].map((at) => decide(at, left)),
    [4, 1],
  );
});
