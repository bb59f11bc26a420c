import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nothingCounted, observedPerHour, RateMeter, ratesOf, type WindowCounts } from "./rate-meter.ts";

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
function naiveCounts(counted: readonly Counted[], startedAt: number, now: number): WindowCounts {
  const slot = Math.floor(now / slotMs);
  const within = (windowMs: number): number => {
    const oldest = slot - windowMs / slotMs;
    const whole = counted.filter(({ at }) => Math.floor(at / slotMs) > oldest);
    const parts = counted.filter(({ at }) => Math.floor(at / slotMs) === oldest);
    const sum = (list: readonly Counted[]): number => list.reduce((total, { count }) => total + count, 0);
    return Math.round(sum(whole) + sum(parts) * (1 - (now / slotMs - slot)));
  };
  return { m1: within(60_000), m5: within(300_000), h1: within(hourMs), observedMs: Math.min(hourMs, now - startedAt) };
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
        assert.deepEqual(meter.counts(), naiveCounts(counted, startedAt, now));
      }
    }),
    { numRuns: 300 },
  );
});

test("a steady stream is told as its rate over every window that was observed", () => {
  const { meter, move } = meterAt(1_234);
  for (let second = 0; second < 2 * 3_600; second += 1) {
    move(1_000);
    meter.add(50);
  }
  const perSecondInAMinute = 180_000 / 60; // the last second is counted as soon as it began
  for (const rate of Object.values(ratesOf(meter.counts())))
    assert.ok(Math.abs(rate - 180_000) <= perSecondInAMinute, String(rate));
});

test("no rate of an hour is higher than what was counted in it, however short it was observed", () => {
  const { meter, move } = meterAt(7_000);
  for (let second = 0; second < 102; second += 1) {
    move(1_000);
    meter.add(1_000);
  }
  const { m5, h1 } = ratesOf(meter.counts());
  assert.equal(h1, 102_000);
  assert.equal(m5, 12 * 102_000);
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 20 }), (steps) => {
      const young = meterAt(0);
      let total = 0;
      for (const { idleMs, count } of steps) {
        young.move(idleMs % 60_000);
        young.meter.add(count);
        total += count;
        assert.ok(ratesOf(young.meter.counts()).h1 <= total);
      }
    }),
  );
});

test("a decision goes by the part of a window that was observed, and by ten seconds at the least", () => {
  assert.equal(observedPerHour({ ...nothingCounted, m1: 10, observedMs: 0 }, "m1"), 3_600);
  assert.equal(observedPerHour({ ...nothingCounted, m1: 10, m5: 10, observedMs: 20_000 }, "m5"), 1_800);
  assert.equal(observedPerHour({ ...nothingCounted, m1: 10, m5: 10, observedMs: hourMs }, "m1"), 600);
  assert.equal(observedPerHour({ ...nothingCounted, m1: 10, m5: 10, observedMs: hourMs }, "m5"), 120);
});

test("what was counted is forgotten window by window", () => {
  const { meter, move } = meterAt(0);
  meter.add(1_000);
  move(66_000);
  assert.equal(meter.counts().m1, 0);
  assert.equal(meter.counts().m5, 1_000);
  move(300_000);
  assert.equal(meter.counts().m5, 0);
  assert.equal(meter.counts().h1, 1_000);
  move(hourMs);
  assert.deepEqual(meter.counts(), { m1: 0, m5: 0, h1: 0, observedMs: hourMs });
});
