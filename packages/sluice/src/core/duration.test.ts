import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, parseDuration, parseRate, parseSize } from "./duration.ts";
import { SluiceError } from "./errors.ts";

const number = fc.nat({ max: 1_000_000 });

function refusal(message: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.code, "bad-config");
    assert.equal(error.message, message);
    return true;
  };
}

test("a duration is its number times its unit, in milliseconds", () => {
  const unitMs = fc.constantFrom<readonly [string, number]>(
    ["ms", 1],
    ["s", 1_000],
    ["m", 60_000],
    ["h", 3_600_000],
    ["d", 86_400_000],
  );
  fc.assert(
    fc.property(number, unitMs, (value, [unit, ms]) => {
      assert.equal(parseDuration(`${value}${unit}`), value * ms);
      assert.equal(parseDuration(`  ${value}${unit}\n`), value * ms);
    }),
  );
});

test("a duration with a fraction comes out in whole milliseconds", () => {
  assert.equal(parseDuration("1.5h"), 5_400_000);
  assert.equal(parseDuration("0.07s"), 70);
  fc.assert(fc.property(number, (hundredths) => assert.ok(Number.isInteger(parseDuration(`${hundredths / 100}s`)))));
});

test("what is no duration is refused with the rule and the value", () => {
  for (const text of ["", "30", "s", "-1s", "1 h", "1h30m", "1e3s", ".5s", "30S", "1w", `${"9".repeat(400)}d`]) {
    assert.throws(() => parseDuration(text), refusal(`expected a duration such as 30s, 5m, 2h or 7d, got "${text}"`));
  }
});

test("a rate is read as a number per hour", () => {
  assert.equal(parseRate("100000/h"), 100_000);
  assert.equal(parseRate("100_000/h"), 100_000);
  assert.equal(parseRate("600/m"), 36_000);
  assert.equal(parseRate("50/s"), 180_000);
  assert.equal(parseRate("2400/d"), 100);
  assert.equal(parseRate("0.5/s"), 1_800);
});

test("what is no rate above zero is refused with the rule and the value", () => {
  for (const text of ["", "0/h", "0.0/s", "-1/s", "100", "100/", "/h", "100/w", "100 / h", `${"9".repeat(400)}/s`]) {
    assert.throws(
      () => parseRate(text),
      refusal(`expected a rate above zero such as 100000/h, 600/m or 50/s, got "${text}"`),
    );
  }
});

test("a size is its number times a power of 1,024, in whole bytes", () => {
  const exponent = fc.constantFrom(["B", 0], ["KiB", 1], ["MiB", 2], ["GiB", 3]) as fc.Arbitrary<[string, number]>;
  fc.assert(
    fc.property(number, exponent, (value, [unit, power]) => {
      assert.equal(parseSize(`${value}${unit}`), value * 1024 ** power);
      assert.equal(parseSize(`${value}${unit.toLowerCase()}`), value * 1024 ** power);
    }),
  );
  assert.equal(parseSize("2TiB"), 2 * 1024 ** 4);
  assert.equal(parseSize("1.5KiB"), 1_536);
  assert.equal(parseSize("0.7B"), 0);
});

test("what is no size is refused with the rule and the value", () => {
  for (const text of ["", "1", "1MB", "1M", "-1B", "1 MiB", `${"9".repeat(400)}B`]) {
    assert.throws(() => parseSize(text), refusal(`expected a size such as 900B, 512KiB, 1MiB or 10GiB, got "${text}"`));
  }
});

test("a duration for people changes its unit where the next one begins", () => {
  const shown: ReadonlyArray<readonly [number, string]> = [
    [0, "0ms"],
    [999.4, "999ms"],
    [999.6, "1s"],
    [1_000, "1s"],
    [59_499, "59s"],
    [59_500, "1m 00s"],
    [3_599_499, "59m 59s"],
    [3_599_500, "1h 00m"],
    [3_690_000, "1h 02m"],
    [7_199_999, "2h 00m"],
    [360_000_000, "100h 00m"],
  ];
  for (const [ms, text] of shown) assert.equal(formatDuration(ms), text, String(ms));
});

test("no duration for people shows sixty of anything or a thousand milliseconds", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
      assert.match(formatDuration(ms), /^(\d{1,3}ms|[1-5]?\ds|[1-5]?\dm [0-5]\ds|\d+h [0-5]\dm)$/);
    }),
  );
});
