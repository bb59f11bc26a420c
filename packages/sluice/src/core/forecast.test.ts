import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { capacityPerHour, expectedWaitMs, forecast, stallOf } from "./forecast.ts";

const now = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;

const anyInput = fc.record({
  now: fc.constant(now),
  stall: fc.constant(undefined),
  backlog: fc.nat({ max: 10_000_000 }),
  arrivalsPerHour: fc.nat({ max: 1_000_000 }),
  capacityPerHour: fc.nat({ max: 1_000_000 }),
});

test("a backlog drains exactly when more can be finished than arrives, within a year", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const netPerHour = input.capacityPerHour - input.arrivalsPerHour;
      const kind = forecast(input).kind;
      if (input.backlog === 0) assert.equal(kind, "idle");
      else assert.equal(kind, netPerHour > 0 && (input.backlog / netPerHour) * hourMs <= yearMs ? "drains" : "grows");
    }),
  );
});

test("a simulation minute by minute empties the backlog when the forecast says", () => {
  const draining = fc.record({
    backlog: fc.integer({ min: 1, max: 1_000_000 }),
    arrivalsPerHour: fc.nat({ max: 100_000 }),
    sparePerHour: fc.integer({ min: 10_000, max: 500_000 }),
  });
  fc.assert(
    fc.property(draining, ({ backlog, arrivalsPerHour, sparePerHour }) => {
      const said = forecast({
        now,
        backlog,
        stall: undefined,
        arrivalsPerHour,
        capacityPerHour: arrivalsPerHour + sparePerHour,
      });
      assert.equal(said.kind, "drains");
      let minutes = 0;
      for (let left = backlog; left > 0; minutes += 1) left += (arrivalsPerHour - arrivalsPerHour - sparePerHour) / 60;
      const saidMinutes = (said.at - now) / 60_000;
      assert.ok(Math.abs(minutes - saidMinutes) <= 1.01, `${saidMinutes} min said, ${minutes} min simulated`);
    }),
  );
});

test("a growing backlog grows by what arrives over what can be finished", () => {
  assert.deepEqual(
    forecast({ now, backlog: 1, stall: undefined, arrivalsPerHour: 200_000, capacityPerHour: 100_000 }),
    {
      kind: "grows",
      perMinute: 1_667,
    },
  );
  assert.deepEqual(forecast({ now, backlog: 1, stall: undefined, arrivalsPerHour: 0, capacityPerHour: 0 }), {
    kind: "grows",
    perMinute: 0,
  });
});

test("the case Sluice was asked for: a million waiting at 100,000 an hour drain in ten hours", () => {
  const input = { now, backlog: 1_000_000, stall: undefined, arrivalsPerHour: 0, capacityPerHour: 100_000 };
  assert.deepEqual(forecast(input), { kind: "drains", at: now + 10 * hourMs });
  assert.equal(expectedWaitMs(1_000_000, 100_000), 10 * hourMs);
});

test("who arrives at an empty queue waits for nobody, and at a stopped one without end", () => {
  assert.equal(expectedWaitMs(0, 0), 0);
  assert.equal(expectedWaitMs(1, 0), Number.POSITIVE_INFINITY);
});

test("the wait grows with the backlog and shrinks with the capacity", () => {
  const positive = fc.integer({ min: 1, max: 1_000_000 });
  fc.assert(
    fc.property(positive, positive, positive, (backlog, capacity, more) => {
      assert.ok(expectedWaitMs(backlog + more, capacity) > expectedWaitMs(backlog, capacity));
      assert.ok(expectedWaitMs(backlog, capacity + more) < expectedWaitMs(backlog, capacity));
    }),
  );
});

test("capacity is what a busy queue showed, at most its rate; its rate while it was not busy", () => {
  const queue = { finishedPerHour: 0, ratePerHour: undefined, wasBusy: true };
  assert.equal(capacityPerHour(queue), 0);
  assert.equal(capacityPerHour({ ...queue, ratePerHour: 100 }), 100);
  assert.equal(capacityPerHour({ ...queue, finishedPerHour: 40 }), 40);
  assert.equal(capacityPerHour({ ...queue, finishedPerHour: 40, ratePerHour: 100 }), 40);
  assert.equal(capacityPerHour({ ...queue, finishedPerHour: 40, ratePerHour: 100, wasBusy: false }), 100);
  assert.equal(capacityPerHour({ ...queue, finishedPerHour: 140, ratePerHour: 100 }), 100);
});

const delivering = {
  now,
  isPaused: false,
  pausedAt: undefined,
  workers: 2,
  breakersOpen: 1,
  stoppedAt: undefined,
  counts: { waiting: 3, scheduled: 0 },
};
const [pausedAt, stoppedAt] = [now - 60_000, now - 5_000];

test("a queue is stalled while it is paused, has no worker, or the breakers of all are open, since that began", () => {
  assert.equal(stallOf(delivering), undefined, "one of two workers delivers");
  const stopped = { ...delivering, stoppedAt };
  assert.deepEqual(stallOf({ ...stopped, breakersOpen: 2 }), { since: stoppedAt, reason: "target-down" });
  assert.deepEqual(stallOf({ ...stopped, workers: 0, breakersOpen: 0 }), { since: stoppedAt, reason: "no-workers" });
  const paused = { ...stopped, isPaused: true, pausedAt, breakersOpen: 2 };
  assert.deepEqual(stallOf(paused), { since: pausedAt, reason: "paused" }, "a resume is the first that it needs");
});

test("a queue is not stalled for what waits for its time, or runs still", () => {
  const later = { ...delivering, stoppedAt, counts: { waiting: 0, scheduled: 7 } };
  assert.equal(stallOf({ ...later, workers: 0, breakersOpen: 0 }), undefined);
  assert.equal(stallOf({ ...later, isPaused: true, pausedAt }), undefined);
  const retried = stallOf({ ...later, breakersOpen: 2 });
  assert.deepEqual(retried, { since: stoppedAt, reason: "target-down" }, "a retry waits for the target");
  assert.equal(stallOf({ ...later, breakersOpen: 2, counts: { waiting: 0, scheduled: 0 } }), undefined);
});

test("whatever the rates say, a stalled queue does not drain", () => {
  const stall = { since: stoppedAt, reason: "target-down" } as const;
  const input = { now, backlog: 10, stall, arrivalsPerHour: 0, capacityPerHour: 3_600 };
  assert.deepEqual(forecast(input), { kind: "stalled", ...stall });
  assert.deepEqual(forecast({ ...input, backlog: 0 }), { kind: "idle" });
});
