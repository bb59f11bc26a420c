import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RateGate } from "./rate-gate.ts";

function handMovedClock(): { now(): number; monotonic(): number; move(ms: number): void } {
  let ms = 0;
  return { now: () => ms, monotonic: () => ms, move: (by) => void (ms += by) };
}

/** The times of all starts when a busy worker asks after each of these steps of time. */
function starts(gate: RateGate, clock: ReturnType<typeof handMovedClock>, stepsMs: readonly number[]): number[] {
  const times: number[] = [];
  for (const stepMs of stepsMs) {
    clock.move(stepMs);
    while (gate.take()) times.push(clock.monotonic());
  }
  return times;
}

describe("the rate gate", () => {
  it("keeps any minute within one percent of 100,000 an hour, whatever the lulls", () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 100, max: 5_000 })), {
      minLength: 3_000,
      maxLength: 4_000,
    });
    fc.assert(
      fc.property(steps, (stepsMs) => {
        const clock = handMovedClock();
        const gate = new RateGate({ ratePerHour: 100_000, clock });
        const times = starts(gate, clock, stepsMs);
        let from = 0;
        for (const [index, time] of times.entries()) {
          while ((times[from] as number) <= time - 60_000) from += 1;
          assert.ok(index - from + 1 <= 1_683, `${index - from + 1} starts in a minute`);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("gives a busy worker the whole rate", () => {
    const clock = handMovedClock();
    const gate = new RateGate({ ratePerHour: 100_000, clock });
    const times = starts(
      gate,
      clock,
      Array.from({ length: 6_000 }, () => 10),
    );
    assert.ok(Math.abs(times.length - 1_667) <= 16, `${times.length} starts in a minute`);
  });

  it("starts without a burst, and saves up no more than the one that is set", () => {
    const clock = handMovedClock();
    const gate = new RateGate({ ratePerHour: 3_600_000, burst: 7, clock });
    assert.equal(starts(gate, clock, [0]).length, 1);
    assert.equal(starts(gate, clock, [60_000]).length, 7);
  });

  it("tells how long until the next start, also for a rate below one a second", () => {
    const clock = handMovedClock();
    const gate = new RateGate({ ratePerHour: 60, clock });
    assert.equal(gate.take(), true);
    assert.equal(gate.waitMs(), 60_000);
    clock.move(59_999);
    assert.equal(gate.take(), false);
    clock.move(2);
    assert.equal(gate.take(), true);
  });

  it("lets everything through without a rate", () => {
    const gate = new RateGate({ ratePerHour: undefined, clock: handMovedClock() });
    assert.equal(gate.within(50), Number.POSITIVE_INFINITY);
    assert.ok(Array.from({ length: 1_000 }, () => gate.take()).every(Boolean));
    assert.equal(gate.waitMs(), 0);
  });
});
