import assert from "node:assert/strict";
import { test } from "node:test";
import { nothingCounted } from "../core/rate-meter.ts";
import { states, type StateCounts } from "../core/request.ts";
import type { QueueStatus } from "./engine.ts";
import { noDeliveries } from "./presence.ts";
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
  return (at: number, status: QueueStatus, present = 0): number => {
    ms = at;
    return scaling.decide(status, present).replicas;
  };
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
