import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decideScaling, type ScalingGoal, type ScalingMemory, type ScalingSignals } from "./scaling.ts";

const minuteMs = 60_000;
const hourMs = 3_600_000;
const goal: ScalingGoal = { min: 1, max: 8, maxWaitMs: 5 * minuteMs, ratePerHour: undefined, holdMs: 5 * minuteMs };
const calm: ScalingSignals = {
  atMs: 0,
  backlog: 0,
  oldestWaitingMs: 0,
  arrivalsPerHour: 0,
  perReplicaPerHour: 100_000,
  replicas: 1,
};

const anyGoal: fc.Arbitrary<ScalingGoal> = fc
  .record({
    min: fc.integer({ min: 0, max: 5 }),
    more: fc.integer({ min: 0, max: 20 }),
    maxWaitMs: fc.integer({ min: 1_000, max: hourMs }),
    ratePerHour: fc.option(fc.integer({ min: 1, max: 1_000_000 }), { nil: undefined }),
    holdMs: fc.integer({ min: 0, max: 10 * minuteMs }),
  })
  .map(({ more, ...rest }) => ({ ...rest, max: Math.max(1, rest.min + more) }));
const anySignals: fc.Arbitrary<ScalingSignals> = fc.record({
  atMs: fc.integer({ min: 0, max: hourMs }),
  backlog: fc.nat({ max: 2_000_000 }),
  oldestWaitingMs: fc.nat({ max: 10 * hourMs }),
  arrivalsPerHour: fc.nat({ max: 1_000_000 }),
  perReplicaPerHour: fc.option(fc.integer({ min: 0, max: 200_000 }), { nil: undefined }),
  replicas: fc.nat({ max: 40 }),
});
const anyMemory: fc.Arbitrary<ScalingMemory> = fc.option(
  fc.record({ lowerSinceMs: fc.constant(0), highestNeed: fc.nat({ max: 40 }) }),
  { nil: undefined },
);

test("the decision is a whole number within the minimum and the maximum, whatever the signals", () => {
  fc.assert(
    fc.property(anyGoal, anySignals, anyMemory, (any, signals, memory) => {
      const { replicas } = decideScaling(any, signals, memory);
      assert.ok(Number.isInteger(replicas) && replicas >= any.min && replicas <= any.max, String(replicas));
    }),
  );
});

test("never below what the arrivals need, as far as the rate and the maximum allow", () => {
  fc.assert(
    fc.property(anyGoal, anySignals, anyMemory, (any, signals, memory) => {
      const perHour = signals.perReplicaPerHour ?? 0;
      fc.pre(perHour > 0);
      const perHourAllowed = Math.min(signals.arrivalsPerHour, any.ratePerHour ?? Number.POSITIVE_INFINITY);
      const { replicas } = decideScaling(any, signals, memory);
      assert.ok(replicas === any.max || replicas * perHour >= perHourAllowed * 0.999_999, String(replicas));
    }),
  );
});

test("never up past what the queue's rate can feed", () => {
  fc.assert(
    fc.property(anyGoal, anySignals, anyMemory, (any, signals, memory) => {
      const perHour = signals.perReplicaPerHour ?? 0;
      fc.pre(perHour > 0 && any.ratePerHour !== undefined);
      const { replicas } = decideScaling(any, signals, memory);
      const isUp = replicas > Math.max(any.min, signals.replicas);
      assert.ok(!isUp || (replicas - 1) * perHour < (any.ratePerHour ?? 0) || replicas === 1, String(replicas));
    }),
  );
});

test("a larger backlog never gets fewer replicas", () => {
  fc.assert(
    fc.property(anyGoal, anySignals, anyMemory, fc.nat({ max: 1_000_000 }), (any, signals, memory, more) => {
      const less = decideScaling(any, signals, memory).replicas;
      assert.ok(decideScaling(any, { ...signals, backlog: signals.backlog + more }, memory).replicas >= less);
    }),
  );
});

test("with the replicas decided at once, the backlog is finished within the longest wait", () => {
  fc.assert(
    fc.property(fc.nat({ max: 50_000 }), fc.nat({ max: 800_000 }), (backlog, arrivalsPerHour) => {
      const signals = { ...calm, backlog, arrivalsPerHour };
      const { replicas, forecastWaitMs } = decideScaling(goal, signals, undefined);
      assert.ok(replicas === goal.max || forecastWaitMs <= goal.maxWaitMs, `${replicas}: ${forecastWaitMs} ms`);
    }),
  );
});

interface Load {
  readonly any: ScalingGoal;
  readonly arrivalsPerHour: number;
  readonly perReplicaPerHour: number;
  readonly backlog: number;
  readonly replicas: number;
}

/** A queue under constant load that follows the policy once a step: the replicas after each. */
function follow({ any, arrivalsPerHour, perReplicaPerHour, ...start }: Load, steps: number): number[] {
  const stepMs = 15_000;
  const counts: number[] = [];
  let { backlog, replicas } = start;
  let oldestWaitingMs = 0;
  let memory: ScalingMemory;
  for (let step = 0; step < steps; step += 1) {
    const atMs = step * stepMs;
    const signals = { atMs, backlog, oldestWaitingMs, arrivalsPerHour, perReplicaPerHour, replicas };
    ({ replicas, memory } = decideScaling(any, signals, memory));
    counts.push(replicas);
    const servedPerHour = Math.min(replicas * perReplicaPerHour, any.ratePerHour ?? Number.POSITIVE_INFINITY);
    backlog = Math.max(0, backlog + ((arrivalsPerHour - servedPerHour) * stepMs) / hourMs);
    oldestWaitingMs = arrivalsPerHour > 0 ? (backlog / arrivalsPerHour) * hourMs : 0;
  }
  return counts;
}

test("under constant load it settles on what the arrivals need, and stays", () => {
  const load: fc.Arbitrary<Load> = fc.record({
    any: fc
      .record({ min: fc.integer({ min: 0, max: 3 }), holdMs: fc.nat({ max: 10 * minuteMs }) })
      .map((some) => ({ ...goal, ...some, max: 20 })),
    arrivalsPerHour: fc.integer({ min: 1, max: 900_000 }),
    perReplicaPerHour: fc.constant(50_000),
    backlog: fc.nat({ max: 200_000 }),
    replicas: fc.nat({ max: 30 }),
  });
  fc.assert(
    fc.property(load, (some) => {
      const counts = follow(some, 3_000); // 12.5 hours
      const settled = counts.at(-1) as number;
      const last = counts.slice(-500);
      assert.ok(
        last.every((replicas) => replicas === settled),
        last.join(" "),
      );
      const need = Math.max(some.any.min, Math.ceil(some.arrivalsPerHour / 50_000));
      assert.ok(settled >= need && settled <= need + 1, `${settled}, the arrivals need ${need}`);
      const turns = counts.filter((replicas, at) => at > 1 && replicas > (counts[at - 1] as number)).length;
      assert.equal(turns, 0, "it went up again after it had come down");
    }),
  );
});

test("up at once, down only after the lower need has held, and to the highest need of that time", () => {
  const burst = decideScaling(goal, { ...calm, backlog: 50_000 }, undefined);
  assert.equal(burst.replicas, 6);
  assert.equal(burst.reason.kind, "wait");
  const at = (minute: number, backlog: number): ScalingSignals => ({
    ...calm,
    atMs: minute * minuteMs,
    backlog,
    replicas: 6,
  });
  const first = decideScaling(goal, at(1, 5_000), burst.memory);
  assert.deepEqual([first.replicas, first.reason.kind], [6, "hold"]);
  const second = decideScaling(goal, at(3, 20_000), first.memory);
  assert.deepEqual([second.replicas, second.reason.kind], [6, "hold"]);
  assert.equal(decideScaling(goal, at(6, 0), second.memory).replicas, 3);
  const again = decideScaling(goal, at(4, 50_000), second.memory);
  assert.equal(again.memory, undefined, "the need came back: the hold begins anew");
});

test("the rate of the queue bounds the replicas, and the reason says so", () => {
  const decided = decideScaling({ ...goal, ratePerHour: 250_000 }, { ...calm, backlog: 1_000_000 }, undefined);
  assert.deepEqual([decided.replicas, decided.reason.kind], [3, "rate"]);
});

test("the case Sluice was asked for: two hundred thousand an hour need two of a hundred thousand", () => {
  const decided = decideScaling(goal, { ...calm, arrivalsPerHour: 200_000 }, undefined);
  assert.deepEqual([decided.replicas, decided.reason.kind], [2, "arrivals"]);
});

test("while nothing was measured what runs stays, and a backlog gets its first replica", () => {
  const unknown: ScalingSignals = { ...calm, perReplicaPerHour: undefined, backlog: 500_000 };
  assert.equal(decideScaling(goal, { ...unknown, replicas: 4 }, undefined).replicas, 4);
  const first = decideScaling({ ...goal, min: 0 }, { ...unknown, replicas: 0 }, undefined);
  assert.deepEqual([first.replicas, first.reason.kind], [1, "unmeasured"]);
  assert.equal(decideScaling({ ...goal, min: 0 }, { ...unknown, replicas: 0, backlog: 0 }, undefined).replicas, 0);
});

test("a queue that was never used holds no replicas back, once they have been held", () => {
  const idle: ScalingSignals = {
    ...calm,
    perReplicaPerHour: undefined,
    backlog: 0,
    arrivalsPerHour: 0,
    oldestWaitingMs: 0,
    replicas: 4,
  };
  const first = decideScaling(goal, idle, undefined);
  assert.deepEqual([first.replicas, first.reason.kind], [4, "hold"]);
  const later = decideScaling(goal, { ...idle, atMs: idle.atMs + goal.holdMs }, first.memory);
  assert.deepEqual([later.replicas, later.reason.kind], [goal.min, "unmeasured"]);
});
