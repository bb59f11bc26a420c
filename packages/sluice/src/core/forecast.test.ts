import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { capacityPerHour, expectedWaitMs, forecast } from "./forecast.ts";

const now = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;

const anyInput = fc.record({
  now: fc.constant(now),
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
      const said = forecast({ now, backlog, arrivalsPerHour, capacityPerHour: arrivalsPerHour + sparePerHour });
      assert.equal(said.kind, "drains");
      let minutes = 0;
      for (let left = backlog; left > 0; minutes += 1) left += (arrivalsPerHour - arrivalsPerHour - sparePerHour) / 60;
      const saidMinutes = (said.at - now) / 60_000;
      assert.ok(Math.abs(minutes - saidMinutes) <= 1.01, `${saidMinutes} min said, ${minutes} min simulated`);
    }),
  );
});

test("a growing backlog grows by what arrives over what can be finished", () => {
  assert.deepEqual(forecast({ now, backlog: 1, arrivalsPerHour: 200_000, capacityPerHour: 100_000 }), {
    kind: "grows",
    perMinute: 1_667,
  });
  assert.deepEqual(forecast({ now, backlog: 1, arrivalsPerHour: 0, capacityPerHour: 0 }), {
    kind: "grows",
    perMinute: 0,
  });
});

test("the case Sluice was asked for: a million waiting at 100,000 an hour drain in ten hours", () => {
  const input = { now, backlog: 1_000_000, arrivalsPerHour: 0, capacityPerHour: 100_000 };
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

test("capacity is what a busy queue showed, at most its rate; its rate while it was not busy; nothing when paused", () => {
  const queue = { finishedPerHour: 0, ratePerHour: undefined, wasBusy: true, isPaused: false };
  assert.equal(capacityPerHour(queue), 0);
  assert.equal(capacityPerHour({ ...queue, ratePerHour: 100 }), 100);
  assert.equal(capacityPerHour({ ...queue, finishedPerHour: 40 }), 40);
  assert.equal(capacityPerHour({ ...queue, finishedPerHour: 40, ratePerHour: 100 }), 40);
  assert.equal(capacityPerHour({ ...queue, finishedPerHour: 40, ratePerHour: 100, wasBusy: false }), 100);
  assert.equal(capacityPerHour({ ...queue, finishedPerHour: 140, ratePerHour: 100 }), 100);
  assert.equal(capacityPerHour({ ...queue, finishedPerHour: 40, ratePerHour: 100, isPaused: true }), 0);
});
