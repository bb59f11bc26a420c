import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RateMeter, type Rates } from "./rate-meter.ts";

const hourMs = 3_600_000;
const slotMs = 5_000;

/** A meter whose clock stands still until it is moved by hand. */
function meterAt(startedAt: number): { readonly meter: RateMeter; readonly move: (ms: number) => void } {
  let monotonic = startedAt;
  const meter = new RateMeter({ now: () => 0, monotonic: () => monotonic });
  return { meter, move: (ms) => void (monotonic += ms) };
}

interface Counted {
  readonly at: number;
  readonly count: number;
}

/** The same figures from a list of all that was ever counted. */
function naiveRates(counted: readonly Counted[], startedAt: number, now: number): Rates {
  const perHour = (windowMs: number): number => {
    const from = Math.floor(now / slotMs) * slotMs - windowMs;
    const sum = counted.filter(({ at }) => at >= from).reduce((total, { count }) => total + count, 0);
    return Math.round((sum / Math.min(now - from, Math.max(1_000, now - startedAt))) * hourMs);
  };
  return { m1: perHour(60_000), m5: perHour(300_000), h1: perHour(hourMs) };
}

const anyStep = fc.record({
  idleMs: fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 20_000 }), fc.nat({ max: 2 * hourMs })),
  count: fc.nat({ max: 1_000 }),
});

test("the meter tells what a list of everything counted tells", () => {
  fc.assert(
    fc.property(fc.nat({ max: 10_000_000 }), fc.array(anyStep, { maxLength: 60 }), (startedAt, steps) => {
      const { meter, move } = meterAt(startedAt);
      const counted: Counted[] = [];
      let now = startedAt;
      for (const { idleMs, count } of steps) {
        move(idleMs);
        now += idleMs;
        meter.add(count);
        counted.push({ at: now, count });
        assert.deepEqual(meter.rates(), naiveRates(counted, startedAt, now));
      }
    }),
    { numRuns: 300 },
  );
});

test("a steady stream is told as its rate over every window", () => {
  const { meter, move } = meterAt(1_234);
  for (let second = 0; second < 2 * 3_600; second += 1) {
    move(1_000);
    meter.add(50);
  }
  const perSecondInAMinute = 180_000 / 60; // the last second is counted as soon as it began
  for (const rate of Object.values(meter.rates()))
    assert.ok(Math.abs(rate - 180_000) <= perSecondInAMinute, String(rate));
});

test("a young meter is scaled to its life, and to a second at the least", () => {
  const { meter, move } = meterAt(7_000);
  meter.add(10);
  assert.deepEqual(meter.rates(), { m1: 36_000, m5: 36_000, h1: 36_000 });
  move(10_000);
  assert.deepEqual(meter.rates(), { m1: 3_600, m5: 3_600, h1: 3_600 });
});

test("what was counted is forgotten window by window", () => {
  const { meter, move } = meterAt(0);
  meter.add(1_000);
  move(66_000);
  assert.equal(meter.rates().m1, 0);
  assert.ok(meter.rates().m5 > 0);
  move(300_000);
  assert.equal(meter.rates().m5, 0);
  assert.ok(meter.rates().h1 > 0);
  move(hourMs);
  assert.deepEqual(meter.rates(), { m1: 0, m5: 0, h1: 0 });
});
