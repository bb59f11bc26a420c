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
  workers: 3,
  breakersOpen: 0,
  stoppedAt: undefined,
  deliveries: noDeliveries,
  accepting: nothingCounted,
  finishing: nothingCounted,
};

function openScaling() {
  let ms = 0;
  const clock = { now: () => ms, monotonic: () => ms };
  const goal = { min: 1, max: 8, maxWaitMs: 1_000, ratePerHour: undefined, holdMs: 1_000 };
  const scaling = new QueueScaling({ goal, clock });
  return (at: number, replicas: number): number => {
    ms = at;
    return scaling.decide(idle, replicas).replicas;
  };
}

test("replicas that one queue would let go and another keeps are offered until they are taken back", () => {
  const decide = openScaling();
  assert.deepEqual(
    [0, 500, 1_000, 1_250, 1_900].map((at) => decide(at, 3)),
    [3, 3, 1, 1, 1],
  );
});

test("after others have changed the replicas the hold begins anew", () => {
  const decide = openScaling();
  assert.deepEqual([decide(0, 3), decide(1_000, 3)], [3, 1]);
  assert.deepEqual(
    [1_100, 2_000, 2_100].map((at) => decide(at, 2)),
    [2, 2, 1],
  );
});
