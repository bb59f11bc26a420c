import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parsePlacement, type PlacementTexts } from "./placement.ts";

const now = Date.UTC(2026, 5, 1, 12);
const hourMs = 3_600_000;
const yearMs = 366 * 24 * hourMs;

/** What both say of a text on its own. */
function timeOf(text: string): number | undefined {
  const [from, until] = [parsePlacement({ notBefore: text }, now), parsePlacement({ expires: text }, now)];
  assert.equal(from.kind, until.kind, text);
  if (from.kind === "refused" || until.kind === "refused") return undefined;
  assert.deepEqual([from.placement.expiresAt, until.placement.notBefore], [undefined, undefined]);
  assert.equal(from.placement.notBefore, until.placement.expiresAt);
  return from.placement.notBefore;
}

function refusal(texts: PlacementTexts): readonly [string, string] {
  const read = parsePlacement(texts, now);
  assert.ok(read.kind === "refused", JSON.stringify(read));
  return [read.name, read.message];
}

function assertUnreadable(...texts: readonly string[]): void {
  for (const text of texts) assert.equal(timeOf(text), undefined, JSON.stringify(text));
}

describe("a time", () => {
  test("is read with its offset", () => {
    const at = Date.UTC(2026, 11, 24, 18);
    for (const text of [
      "2026-12-24T18:00:00Z",
      "2026-12-24t18:00:00z",
      "2026-12-24T19:00:00+01:00",
      "2026-12-24T12:30:00-05:30",
      "2026-12-25T17:59:00+23:59",
      "2026-12-23T18:01:00-23:59",
      "2026-12-24T18:00:00-00:00",
      "2026-12-24T18:00:00.000Z",
    ])
      assert.equal(timeOf(text), at, text);
  });

  test("has a fraction of up to nine digits, in milliseconds", () => {
    const at = Date.UTC(2026, 11, 24, 18);
    for (const [fraction, ms] of [
      [".5", 500],
      [".05", 50],
      [".123", 123],
      [".123999999", 123],
      [".000000001", 0],
    ] as const)
      assert.equal(timeOf(`2026-12-24T18:00:00${fraction}Z`), at + ms, fraction);
    assertUnreadable("2026-12-24T18:00:00.Z", "2026-12-24T18:00:00,5Z", "2026-12-24T18:00:00.1234567890Z");
  });

  test("is any that the calendar has, and no other", () => {
    const offset = fc.constantFrom("Z", "z", "+00:00", "-11:30", "+14:00", "+23:59");
    const date = fc.date({ min: new Date(0), max: new Date(now + yearMs - 24 * hourMs), noInvalidDate: true });
    fc.assert(
      fc.property(date, offset, (at, zone) => {
        const text = at.toISOString().replace("Z", zone);
        assert.equal(timeOf(text), Math.max(0, Date.parse(text.toUpperCase())));
      }),
    );
    for (const day of ["2024-02-29", "2026-01-31", "2000-02-29", "0000-02-29", "0001-01-01", "1969-12-31"])
      assert.notEqual(timeOf(`${day}T00:00:00Z`), undefined, day);
    for (const day of [
      "2026-02-29",
      "2026-02-31",
      "2026-04-31",
      "2026-06-00",
      "2026-00-10",
      "2026-13-01",
      "2100-02-29",
      "1900-02-29",
      "2026-12-32",
    ])
      assertUnreadable(`${day}T00:00:00Z`);
  });

  test("has hours to 23, minutes to 59, and an offset of these", () => {
    assertUnreadable(
      "2026-12-24T24:00:00Z",
      "2026-12-24T18:60:00Z",
      "2026-12-24T18:00:61Z",
      "2026-12-24T18:00:00+24:00",
      "2026-12-24T18:00:00+01:60",
      "2026-12-24T18:00:00-99:99",
    );
  });

  test("may be a leap second, which only the end of a day in UTC has", () => {
    assert.equal(timeOf("2016-12-31T23:59:60Z"), Date.UTC(2017, 0, 1));
    assert.equal(timeOf("2016-12-31t23:59:60.25z"), Date.UTC(2017, 0, 1) + 250);
    assert.equal(timeOf("2016-12-31T15:59:60-08:00"), Date.UTC(2017, 0, 1));
    assert.equal(timeOf("1969-12-31T23:59:60Z"), 0);
    assertUnreadable("2026-12-24T18:00:60Z", "2026-12-24T18:59:60Z", "2016-12-31T23:59:60-08:00");
  });

  test("is written as RFC 3339 has it, and in no other way", () => {
    assertUnreadable(
      "2026-12-24",
      "2026-12-24T18:00Z",
      "2026-12-24T18:00:00",
      "2026-12-24 18:00:00Z",
      "20261224T180000Z",
      "2026-12-24T18:00:00+0100",
      "2026-12-24T18:00:00 01:00",
      "2026-12-24T18:00:00\u221201:00",
      "+002026-12-24T18:00:00Z",
      "-2026-12-24T18:00:00Z",
      "Thu, 24 Dec 2026 18:00:00 GMT",
      "2026-W52-4T18:00:00Z",
      "1798135200",
      "1798135200000",
      " 2026-12-24T18:00:00Z",
      "2026-12-24T18:00:00Z ",
      "2026-12-24T18:00:00Z, 2026-12-24T18:00:00Z",
      "\u0662\u0660\u0662\u0666-12-24T18:00:00Z",
      "2026-12-24T18:00:00Z\n",
      "2026-12-24T18:00:00Z\u0000",
    );
  });

  test("before 1970 counts as 1970: no store keeps a negative time", () => {
    for (const text of ["0000-01-01T00:00:00Z", "0000-01-01T00:00:00+23:59", "1969-12-31T23:59:59.999Z"])
      assert.equal(timeOf(text), 0, text);
  });
});

describe("a duration", () => {
  test("counts from now", () => {
    for (const [text, ms] of [
      ["0s", 0],
      ["250ms", 250],
      ["30s", 30_000],
      ["1.5h", 1.5 * hourMs],
      ["7d", 7 * 24 * hourMs],
      ["007d", 7 * 24 * hourMs],
    ] as const)
      assert.equal(timeOf(text), now + ms, text);
  });

  test("is no number alone, no sum, and nothing below zero", () => {
    assertUnreadable(
      "",
      " ",
      "5",
      "s",
      "-5m",
      "+5m",
      "-0s",
      "1e99d",
      "NaNs",
      "Infinityd",
      "0x10s",
      "1_000s",
      "1h30m",
      "PT5M",
      "5 m",
      " 5m",
      "5m\n",
      "5m, 5m",
      "\u00a05m",
      "\uff15m",
      "\u0665m",
      "5\u043c",
      "5m\u0000",
      "5M",
      "1y",
      "now",
      "null",
    );
  });

  test("of many characters is refused unread", () => {
    assertUnreadable("9".repeat(400) + "d", "0".repeat(10_000) + "5m", `0.${"0".repeat(1_000_000)}1s`);
  });
});

describe("the bounds", () => {
  test("are one year ahead for the beginning and two for the end, both included", () => {
    const at = (ms: number): string => new Date(now + ms).toISOString();
    const isPlaced = (texts: PlacementTexts): boolean => parsePlacement(texts, now).kind === "placed";
    assert.ok(isPlaced({ notBefore: at(yearMs) }) && isPlaced({ notBefore: "366d" }));
    assert.ok(!isPlaced({ notBefore: at(yearMs + 1) }) && !isPlaced({ notBefore: "366.001d" }));
    assert.ok(isPlaced({ expires: at(2 * yearMs) }) && isPlaced({ expires: "732d" }));
    assert.ok(!isPlaced({ expires: at(2 * yearMs + 1) }) && !isPlaced({ expires: "733d" }));
    for (const text of ["9999-12-31T23:59:59Z", "104249991d", "99999999999d", "9007199254740991ms"])
      assertUnreadable(text);
  });

  test("are told with the name, the rule and the value", () => {
    assert.deepEqual(refusal({ notBefore: "soon" }), [
      "notBefore",
      'must be a time as in "2026-12-24T18:00:00Z", or a duration such as 30s, 5m, 2h or 7d from now, at most one year ahead, got "soon"',
    ]);
    assert.deepEqual(refusal({ notBefore: "5m", expires: "733d" }), [
      "expires",
      'must be a time as in "2026-12-24T18:00:00Z", or a duration such as 30s, 5m, 2h or 7d from now, at most two years ahead, got "733d"',
    ]);
    const [, message] = refusal({ expires: "\u0007\ud800".repeat(1_000) });
    assert.match(message, /got "(\\u0007\\ud800){40}"$/);
  });

  test("a request that expires before it may begin is refused", () => {
    const [name, message] = refusal({ notBefore: "2h", expires: "2h" });
    assert.deepEqual([name, message.startsWith("must be a time after the one before which")], ["expires", true]);
    assert.equal(refusal({ notBefore: "2h", expires: "2026-06-01T13:00:00Z" })[0], "expires");
    assert.deepEqual(parsePlacement({ notBefore: "1h", expires: "2026-06-01T13:00:00.001Z" }, now), {
      kind: "placed",
      placement: { notBefore: now + hourMs, expiresAt: now + hourMs + 1 },
    });
  });

  test("a time that has passed is no error: a sender may repeat its request late", () => {
    const past = "2026-06-01T11:00:00Z";
    assert.deepEqual(parsePlacement({ notBefore: past, expires: "2026-06-01T11:30:00Z" }, now), {
      kind: "placed",
      placement: { notBefore: now - hourMs, expiresAt: now - hourMs / 2 },
    });
  });
});

test("no text of any kind throws, and each is within the bounds or refused", () => {
  const digits = (length: number): fc.Arbitrary<string> =>
    fc.nat({ max: 10 ** length - 1 }).map((value) => String(value).padStart(length, "0"));
  const two = digits(2);
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.tuple(fc.double(), fc.constantFrom("ms", "s", "m", "h", "d")).map(([value, unit]) => `${value}${unit}`),
    fc.tuple(fc.nat({ max: 800 }), fc.constantFrom("h", "d")).map(([value, unit]) => `${value}${unit}`),
    fc
      .tuple(digits(4), two, two, two, two, two, two)
      .map(([year, month, day, hour, minute, second, offset]) =>
        [`${year}-${month}-${day}T`, `${hour}:${minute}:${second}+${offset}:00`].join(""),
      ),
  );
  fc.assert(
    fc.property(text, text, (notBefore, expires) => {
      const read = parsePlacement({ notBefore, expires }, now);
      if (read.kind === "refused") return;
      const { notBefore: from = Number.NaN, expiresAt: until = Number.NaN } = read.placement;
      assert.ok(Number.isSafeInteger(from) && from >= 0 && from <= now + yearMs, notBefore);
      assert.ok(Number.isSafeInteger(until) && until > from && until <= now + 2 * yearMs, expires);
    }),
  );
});
