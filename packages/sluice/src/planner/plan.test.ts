import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseArrivals } from "./arrivals.ts";
import { plan, type PlanOptions, type Run } from "./plan.ts";

const hourMs = 3_600_000;
const minuteMs = 60_000;
const startAt = Date.UTC(2026, 0, 1);
const day: PlanOptions = {
  arrivals: parseArrivals("200000/h for 10h", startAt),
  service: { perReplicaPerHour: 100_000, ratePerHour: undefined },
  maxWaitMs: 5 * minuteMs,
  diskBytesPerRequest: 1_000,
  replicas: { kind: "table", most: 3 },
};

function near(got: number, expected: number, what: string): void {
  assert.ok(Math.abs(got - expected) <= Math.max(2, Math.abs(expected) * 1e-6), `${what}: ${got}, not ${expected}`);
}

test("the case Sluice was asked for: a million waiting, ten hours of wait, twenty to finish; none with two", () => {
  const { runs, smallest, arrivals } = plan(day);
  const [one, two] = runs as [Run, Run, Run];
  assert.equal(arrivals.total, 2_000_000);
  assert.deepEqual([one.peakBacklog, one.peakAt], [1_000_000, startAt + 10 * hourMs]);
  assert.deepEqual([one.worstWaitMs, one.finishedAfterMs], [10 * hourMs, 20 * hourMs]);
  assert.deepEqual([one.utilisation, one.replicaHours, one.diskBytes], [1, 20, 2_000_000_000]);
  assert.deepEqual([two.peakBacklog, two.worstWaitMs, two.finishedAfterMs], [0, 0, 10 * hourMs]);
  assert.equal(smallest, 2);
});

test("a phase of overload and a quieter one: backlog, waits and drain as the fluid's closed form has them", () => {
  const load = fc.record({
    perHour: fc.integer({ min: 1_000, max: 100_000 }),
    over: fc.integer({ min: 11, max: 40 }).map((tenths) => tenths / 10),
    under: fc.integer({ min: 0, max: 9 }).map((tenths) => tenths / 10),
    minutes: fc.integer({ min: 1, max: 600 }),
  });
  fc.assert(
    fc.property(load, ({ perHour, over, under, minutes }) => {
      const peak = ((over - 1) * perHour * minutes) / 60;
      const drainMs = (peak / ((1 - under) * perHour)) * hourMs;
      const quietMinutes = Math.ceil(drainMs / minuteMs) + 10;
      const quiet = under === 0 ? "0" : `${(under * perHour).toFixed(3)}/h`;
      const arrivals = parseArrivals(
        `${(over * perHour).toFixed(3)}/h for ${minutes}m, ${quiet} for ${quietMinutes}m`,
        startAt,
      );
      const service = { perReplicaPerHour: perHour, ratePerHour: undefined };
      const [run] = plan({ ...day, arrivals, service, replicas: { kind: "table", most: 1 } }).runs as [Run];
      near(run.peakBacklog, peak, "peak backlog");
      near(run.worstWaitMs, (peak / perHour) * hourMs, "worst wait");
      near(run.peakAt - startAt, minutes * minuteMs, "time of the peak");
      const endMs = minutes * minuteMs + (under === 0 ? drainMs : quietMinutes * minuteMs);
      near(run.finishedAfterMs, endMs, "end");
    }),
    { numRuns: 50 },
  );
});

test("in one phase of overload the wait grows evenly, so the 99th percentile is 99 % of the worst", () => {
  const [one] = plan(day).runs as [Run, Run, Run];
  assert.equal(one.p99WaitMs, 0.99 * 10 * hourMs);
});

test("in bursts that are alike, and in those of which some are larger, the 99th percentile is that of all requests", () => {
  const service = { perReplicaPerHour: 72_000, ratePerHour: undefined };
  const p99Of = (large: number): number | undefined => {
    const bursts = Array.from({ length: 100 }, (_, at) => `${at < large ? 600 : 300}/s for 1s, 0 for 59s`);
    const arrivals = parseArrivals(bursts.join(", "), startAt);
    return plan({ ...day, arrivals, service, replicas: { kind: "table", most: 1 } }).runs[0]?.p99WaitMs;
  };
  assert.equal(p99Of(0), 0.99 * 14_000); // they wait from 0 to 14 s, evenly
  assert.equal(p99Of(20), 29_000 - (29_000 * 360) / 12_000); // 1 % of 36,000, all among the 12,000 that wait to 29 s
});

test("the queue's own rate bounds what any number of replicas finishes", () => {
  const { runs, smallest } = plan({ ...day, service: { perReplicaPerHour: 100_000, ratePerHour: 100_000 } });
  assert.equal(smallest, undefined);
  for (const run of runs) assert.equal(run.peakBacklog, 1_000_000);
});

test("by the policy the goal is kept with fewer replica hours than the fixed number that keeps it", () => {
  const arrivals = parseArrivals("50000/h for 2h, 350000/h for 1h, 50000/h for 6h", startAt);
  const fixed = plan({ ...day, arrivals, replicas: { kind: "table", most: 8 } });
  const goal = { min: 1, max: 8, maxWaitMs: day.maxWaitMs, ratePerHour: undefined, holdMs: 5 * minuteMs };
  const byPolicy = plan({ ...day, arrivals, replicas: { kind: "policy", goal } });
  const [run] = byPolicy.runs as [Run];
  const kept = fixed.runs.find(({ replicas }) => replicas === fixed.smallest) as Run;
  assert.equal(byPolicy.smallest, 4);
  assert.ok(run.worstWaitMs <= day.maxWaitMs, `${run.worstWaitMs} ms`);
  assert.ok(run.replicaHours < kept.replicaHours / 2, `${run.replicaHours} h, fixed ${kept.replicaHours} h`);
});

test("by the policy a spike counts as the autoscaler counts it: in the mean of minutes, and by its backlog", () => {
  const arrivals = parseArrivals("50000/h for 1h, 1000000/h for 15s, 50000/h for 1h", startAt);
  const goalOf = (maxWaitMs: number) => ({ min: 1, max: 16, maxWaitMs, ratePerHour: undefined, holdMs: 5 * minuteMs });
  const [patient, urgent] = [5 * minuteMs, minuteMs].map(
    (maxWaitMs) => plan({ ...day, arrivals, maxWaitMs, replicas: { kind: "policy", goal: goalOf(maxWaitMs) } }).runs[0],
  );
  // A mean of some 97,500/h over five minutes, of 287,500/h over one; 10 times what one finishes for 15 seconds.
  assert.deepEqual([patient?.replicas, urgent?.replicas], [1, 3]);
});

const refusals: ReadonlyArray<readonly [() => unknown, RegExp]> = [
  [() => parseArrivals("many", startAt), /each phase must read like "200000\/h for 10h", got "many"/],
  [() => parseArrivals("5/h for 0h", startAt), /a phase must last longer than nothing, got "5\/h for 0h"/],
  [() => parseArrivals("0 for 1h", startAt), /at least one request, got none/],
  [() => parseArrivals("5/h for 400d", startAt), /may span 366 days, got 400 days/],
];

for (const [parse, message] of refusals) {
  test(`refused with the rule and the value: ${message.source}`, () =>
    assert.rejects(async () => parse(), { message }));
}
