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
const anyMemory: fc.Arbitrary<ScalingMemory> = fc.array(
  fc.record({ atMs: fc.integer({ min: -hourMs, max: 0 }), replicas: fc.nat({ max: 40 }) }),
  { maxLength: 1 },
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
      const isUp = replicas > Math.max(any.min, signals.replicas, memory[0]?.replicas ?? 0);
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
      const { replicas, forecastWaitMs } = decideScaling(goal, signals, []);
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
  let memory: ScalingMemory = [{ atMs: 0, replicas }];
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

test("up at once, down only once the higher need is old, and to the highest need of the time since", () => {
  const at = (minute: number, backlog: number): ScalingSignals => ({ ...calm, atMs: minute * minuteMs, backlog });
  let memory: ScalingMemory = [];
  const decide = (minute: number, backlog: number): unknown => {
    const decided = decideScaling(goal, at(minute, backlog), memory);
    ({ memory } = decided);
    return [decided.replicas, decided.reason.kind];
  };
  assert.deepEqual(decide(0, 50_000), [6, "wait"]);
  assert.deepEqual(decide(1, 5_000), [6, "hold"]);
  assert.deepEqual(decide(3, 20_000), [6, "hold"]);
  assert.deepEqual(decide(4, 0), [6, "hold"]);
  assert.deepEqual(decide(5, 0), [3, "hold"]);
  assert.deepEqual(decide(7, 50_000), [6, "wait"]);
  assert.deepEqual(decide(11, 0), [6, "hold"]);
  assert.deepEqual(decide(12, 0), [1, "minimum"]);
});

test("the rate of the queue bounds the replicas, and the reason says so", () => {
  const decided = decideScaling({ ...goal, ratePerHour: 250_000 }, { ...calm, backlog: 1_000_000 }, []);
  assert.deepEqual([decided.replicas, decided.reason.kind], [3, "rate"]);
});

test("the case Sluice was asked for: two hundred thousand an hour need two of a hundred thousand", () => {
  const decided = decideScaling(goal, { ...calm, arrivalsPerHour: 200_000 }, []);
  assert.deepEqual([decided.replicas, decided.reason.kind], [2, "arrivals"]);
});

test("while nothing was measured what was asked for stays, and a backlog gets its first replica", () => {
  const unknown: ScalingSignals = { ...calm, perReplicaPerHour: undefined, backlog: 500_000 };
  assert.equal(decideScaling(goal, { ...unknown, replicas: 4 }, []).replicas, 4);
  const first = decideScaling({ ...goal, min: 0 }, { ...unknown, replicas: 0 }, []);
  assert.deepEqual([first.replicas, first.reason.kind], [1, "unmeasured"]);
  assert.equal(decideScaling({ ...goal, min: 0 }, { ...unknown, replicas: 0, backlog: 0 }, []).replicas, 0);
});

test("a queue that was never used holds no replicas back", () => {
  const idle: ScalingSignals = { ...calm, perReplicaPerHour: undefined, replicas: 4 };
  const decided = decideScaling(goal, idle, []);
  assert.deepEqual([decided.replicas, decided.reason.kind], [goal.min, "unmeasured"]);
});
