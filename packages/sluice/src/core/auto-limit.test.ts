import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { AutoLimit, type AutoEnd, type AutoStart } from "./auto-limit.ts";
import { reachedIn } from "../../test/target-model.ts";

/** A limit with so many attempts in flight, all of which started at 0. */
function busy(limit: AutoLimit): AutoStart[] {
  const starts: AutoStart[] = [];
  while (starts.length < limit.limit) starts.push(limit.started(0));
  return starts;
}

/** One attempt after another, as many at a time as the limit allows, each of which takes so long. */
function answer(
  limit: AutoLimit,
  { rounds, tookMs, fromMs }: { rounds: number; tookMs: number; fromMs: number },
): void {
  for (let round = 0; round < rounds; round += 1) {
    const nowMs = fromMs + round * tookMs;
    const starts: AutoStart[] = [];
    while (starts.length < limit.limit) starts.push(limit.started(nowMs));
    for (const start of starts) limit.ended(start, { nowMs: nowMs + tookMs, kind: "answered" });
  }
}

describe("the discovered limit", () => {
  for (const name of ["knee", "cliff of 503", "pauses"] as const)
    it(`reaches B's capacity within a minute: ${name}`, () => {
      const { share, p99 } = reachedIn(name, 1);
      assert.ok(share >= 0.95, `a share of ${share}`);
      assert.ok(p99 <= 1.2, `a p99 of ${p99} times the best`);
    });

  it("is halved by a refusal, once in a round trip", () => {
    const limit = new AutoLimit({ max: 1_000 });
    answer(limit, { rounds: 100, tookMs: 10, fromMs: 0 });
    const starts = busy(limit);
    const before = starts.length;
    assert.ok(before > 8);
    for (const start of starts) limit.ended(start, { nowMs: 2_000, kind: "overload" });
    assert.equal(limit.limit, Math.floor(before / 2));
    const again = limit.started(2_001);
    limit.ended(again, { nowMs: 2_002, kind: "overload" });
    assert.equal(limit.limit, Math.floor(before / 4));
  });

  it("stays halved for as long as Retry-After asks, and then returns below what was refused", () => {
    const limit = new AutoLimit({ max: 1_000 });
    answer(limit, { rounds: 100, tookMs: 10, fromMs: 0 });
    const starts = busy(limit);
    const before = starts.length;
    const last = starts.pop() as AutoStart;
    for (const start of starts) limit.ended(start, { nowMs: 2_000, kind: "answered" });
    limit.ended(last, { nowMs: 2_000, kind: "overload", retryAfterMs: 5_000 });
    const half = limit.limit;
    answer(limit, { rounds: 490, tookMs: 10, fromMs: 2_000 });
    assert.ok(limit.limit <= half);
    answer(limit, { rounds: 100, tookMs: 10, fromMs: 7_000 });
    assert.ok(limit.limit > half && limit.limit < before, `${limit.limit} after ${half}, refused at ${before}`);
  });

  it("learns nothing from attempts that do not use it up", () => {
    const limit = new AutoLimit({ max: 1_000 });
    const before = limit.limit;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
      const start = limit.started(nowMs);
      limit.ended(start, { nowMs: nowMs + 10, kind: "answered" });
    }
    assert.equal(limit.limit, before);
  });

  it("stays a whole number within its bounds, whatever ends when and how", () => {
    const kind = fc.constantFrom<AutoEnd["kind"]>("answered", "answered", "answered", "overload", "failed");
    const step = fc.record({
      ms: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 1e9 })),
      kind,
      retryAfterMs: fc.option(fc.integer({ min: 0, max: 1e12 }), { nil: undefined }),
      ends: fc.integer({ min: 0, max: 50 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.array(step, { maxLength: 200 }), (max, steps) => {
        const limit = new AutoLimit({ max });
        const starts: AutoStart[] = [];
        let nowMs = 0;
        for (const { ms, ends, ...end } of steps) {
          while (starts.length < limit.limit) starts.push(limit.started(nowMs));
          nowMs += ms;
          for (const start of starts.splice(0, ends)) limit.ended(start, { nowMs, ...end });
          assert.ok(Number.isInteger(limit.limit) && limit.limit >= 1 && limit.limit <= max, `${limit.limit}`);
        }
      }),
      { numRuns: 100 },
    );
  });
});
