import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { expectedWaitMs, forecast, stallOf, type ForecastInput } from "./forecast.ts";
import type { WindowCounts } from "./rate-meter.ts";

const now = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;

const counted = (perHour: number): WindowCounts => ({
  m1: perHour / 60,
  m5: perHour / 12,
  h1: perHour,
  observedMs: hourMs,
});

function inputOf(fields: {
  readonly backlog: number;
  readonly arrivalsPerHour?: number;
  readonly finishedPerHour?: number;
  readonly capacityPerHour?: number;
  readonly oldestWaitingMs?: number;
}): ForecastInput {
  const { backlog, arrivalsPerHour = 0, finishedPerHour = 0, oldestWaitingMs = hourMs } = fields;
  return {
    now,
    backlog,
    stall: undefined,
    oldestWaitingMs,
    lastDueAt: undefined,
    accepted: counted(arrivalsPerHour),
    finished: counted(finishedPerHour),
    capacityPerHour: fields.capacityPerHour ?? finishedPerHour,
  };
}

test("a simulation minute by minute empties a busy queue's backlog when the forecast says", () => {
  const draining = fc.record({
    backlog: fc.integer({ min: 1, max: 1_000_000 }),
    arrivalsPerHour: fc.nat({ max: 100_000 }),
    sparePerHour: fc.integer({ min: 10_000, max: 500_000 }),
  });
  fc.assert(
    fc.property(draining, ({ backlog, arrivalsPerHour, sparePerHour }) => {
      const finishedPerHour = arrivalsPerHour + sparePerHour;
      const said = forecast(inputOf({ backlog, arrivalsPerHour, finishedPerHour }));
      assert.equal(said.kind, "drains");
      let minutes = 0;
      for (let left = backlog; left > 0; minutes += 1) left -= sparePerHour / 60;
      const saidMinutes = (said.at - now) / 60_000;
      assert.ok(Math.abs(minutes - saidMinutes) <= 1.01, `${saidMinutes} min said, ${minutes} min simulated`);
    }),
  );
});

test("a growing backlog grows by what arrives over what is finished", () => {
  assert.deepEqual(forecast(inputOf({ backlog: 10_000, arrivalsPerHour: 200_000, finishedPerHour: 100_000 })), {
    kind: "grows",
    perMinute: 1_667,
  });
  const slow = forecast(inputOf({ backlog: 500, arrivalsPerHour: 90, finishedPerHour: 30 }));
  assert.deepEqual(slow, { kind: "grows", perMinute: 1 }, "thirty within an hour, not within five minutes");
});

test("a healthy queue never grows: not with a handful in it, by chance, after a burst, or before it was observed", () => {
  const steady = { arrivalsPerHour: 6_000, finishedPerHour: 5_820 };
  const healthy: Record<string, ForecastInput> = {
    "a handful comes and goes": inputOf({ backlog: 5, ...steady, oldestWaitingMs: 100 }),
    "three more a minute of a hundred": inputOf({ backlog: 300, ...steady, oldestWaitingMs: 100 }),
    "a burst within the last minute": {
      ...inputOf({ backlog: 1_000 }),
      accepted: { m1: 1_010, m5: 1_050, h1: 1_600, observedMs: hourMs },
      finished: { m1: 10, m5: 50, h1: 600, observedMs: hourMs },
    },
    "a burst three minutes ago, that drains": {
      ...inputOf({ backlog: 700 }),
      accepted: { m1: 10, m5: 1_050, h1: 1_600, observedMs: hourMs },
      finished: { m1: 110, m5: 350, h1: 900, observedMs: hourMs },
    },
    "observed for a minute and a half": {
      ...inputOf({ backlog: 1_000 }),
      accepted: { m1: 1_000, m5: 1_500, h1: 1_500, observedMs: 90_000 },
      finished: { m1: 500, m5: 500, h1: 500, observedMs: 90_000 },
    },
  };
  for (const [why, input] of Object.entries(healthy)) assert.equal(forecast(input).kind, "drains", why);
});

test("what keeps up drains as soon as its turn has come, and never sooner than a twentieth of the capacity allows", () => {
  const keepsUp = inputOf({ backlog: 10, arrivalsPerHour: 3_600, finishedPerHour: 3_600, oldestWaitingMs: 500 });
  assert.deepEqual(forecast(keepsUp), { kind: "drains", at: now + 10_000 });
  assert.deepEqual(forecast({ ...keepsUp, oldestWaitingMs: hourMs }), { kind: "drains", at: now + 200_000 });
});

test("a backlog drains no earlier than the last of what is scheduled is due", () => {
  const input = inputOf({ backlog: 200, capacityPerHour: 100_000 });
  assert.deepEqual(forecast({ ...input, lastDueAt: now + hourMs }), { kind: "drains", at: now + hourMs });
  assert.deepEqual(forecast({ ...input, lastDueAt: now + 1 }), { kind: "drains", at: now + 7_200 });
  const unknown = { ...inputOf({ backlog: 1 }), lastDueAt: now + hourMs };
  assert.deepEqual(forecast(unknown), { kind: "drains", at: now + hourMs }, "it waits for its time, at no known rate");
});

test("no forecast looks further ahead than a year, and each is of the future", () => {
  const anyCounts = fc.record({ m1: fc.nat(), m5: fc.nat(), h1: fc.nat(), observedMs: fc.nat({ max: hourMs }) });
  const anyInput: fc.Arbitrary<ForecastInput> = fc.record({
    now: fc.constant(now),
    backlog: fc.integer({ min: 1, max: 10_000_000 }),
    stall: fc.constant(undefined),
    oldestWaitingMs: fc.nat(),
    lastDueAt: fc.option(fc.integer({ min: now, max: now + yearMs }), { nil: undefined }),
    accepted: anyCounts,
    finished: anyCounts,
    capacityPerHour: fc.nat({ max: 1_000_000 }),
  });
  fc.assert(
    fc.property(anyInput, (input) => {
      const said = forecast(input);
      if (said.kind === "grows") assert.ok(said.perMinute >= 1 && input.backlog >= 30);
      else assert.ok(said.kind === "drains" && said.at >= now && said.at <= now + yearMs);
      assert.deepEqual(forecast({ ...input, backlog: 0 }), { kind: "idle" });
    }),
  );
});

test("the case Sluice was asked for: a million waiting at 100,000 an hour drain in ten hours", () => {
  const input = inputOf({ backlog: 1_000_000, capacityPerHour: 100_000 });
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

const delivering = {
  now,
  isPaused: false,
  pausedAt: undefined,
  workers: 2,
  breakersOpen: 1,
  stoppedAt: undefined,
  stuckSince: undefined,
  counts: { waiting: 3, scheduled: 0 },
};
const [pausedAt, stoppedAt, stuckSince] = [now - 60_000, now - 5_000, now - 90_000];

test("a queue is stalled while it is paused, has no worker, the breakers of all are open, or none finishes, since that began", () => {
  assert.equal(stallOf(delivering), undefined, "one of two workers delivers");
  const stopped = { ...delivering, stoppedAt };
  assert.deepEqual(stallOf({ ...stopped, breakersOpen: 2 }), { since: stoppedAt, reason: "target-down" });
  assert.deepEqual(stallOf({ ...stopped, workers: 0, breakersOpen: 0 }), { since: stoppedAt, reason: "no-workers" });
  const paused = { ...stopped, isPaused: true, pausedAt, breakersOpen: 2 };
  assert.deepEqual(stallOf(paused), { since: pausedAt, reason: "paused" }, "a resume is the first that it needs");
  assert.deepEqual(stallOf({ ...delivering, stuckSince }), { since: stuckSince, reason: "nothing-finishes" });
  assert.deepEqual(stallOf({ ...paused, stuckSince }), { since: pausedAt, reason: "paused" });
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
  const input = { ...inputOf({ backlog: 10, finishedPerHour: 3_600 }), stall };
  assert.deepEqual(forecast(input), { kind: "stalled", ...stall });
  assert.deepEqual(forecast({ ...input, backlog: 0 }), { kind: "idle" });
});
