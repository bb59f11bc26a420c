// Both parsers, the server's and the client's, with the same cases.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseRetryAfter as clientsParser } from "../../../client/src/retry-after.ts";
import { parseRetryAfter } from "./retry-after.ts";

const now = Date.parse("2026-01-01T00:00:00Z");

test("server and client read the header with the same code", () => {
  const source = (path: string): string =>
    readFileSync(new URL(path, import.meta.url), "utf8").replace(/^\/\/.*\n/gm, "");
  assert.equal(source("../../../client/src/retry-after.ts"), source("retry-after.ts"));
});

for (const [name, parse] of [
  ["the server's", parseRetryAfter],
  ["the client's", clientsParser],
] as const)
  describe(`${name} Retry-After`, () => {
    const reads = (header: string | string[] | undefined | null, ms: number | undefined): void =>
      assert.equal(parse(header, now), ms, JSON.stringify(header));

    test("is seconds", () => {
      reads("0", 0);
      reads("120", 120_000);
      reads(" 7\t", 7_000);
      reads("3600000", 3_600_000_000);
    });

    test("is one of three dates, all GMT", () => {
      reads("Thu, 01 Jan 2026 00:00:30 GMT", 30_000);
      reads("Thursday, 01-Jan-26 00:00:30 GMT", 30_000);
      reads("Thu Jan  1 00:00:30 2026", 30_000);
      reads("Thu Jan 15 00:00:00 2026", 14 * 86_400_000);
    });

    test("in the past is no wait", () => {
      reads("Wed, 31 Dec 2025 00:00:30 GMT", 0);
      reads("Sunday, 06-Nov-94 08:49:37 GMT", 0); // 1994, as 2094 is more than 50 years ahead
      reads("Sun, 06 Nov 0094 08:49:37 GMT", 0);
    });

    test("with a fraction is rounded up, and never a date", () => {
      reads("2.0", 2_000);
      reads("45.5", 46_000);
      reads("0.001", 1_000);
    });

    test("sent twice, or joined with a comma, is the longer wait; what is unreadable does not count", () => {
      reads(["5", "10"], 10_000);
      reads(["10", "5"], 10_000);
      reads("5, 10", 10_000);
      reads("soon, 5", 5_000);
      reads(["Thu, 01 Jan 2026 00:00:30 GMT", "5"], 30_000);
      reads("5, Thu, 01 Jan 2026 00:00:30 GMT", 30_000);
      reads("Thursday, 01-Jan-26 00:00:30 GMT, 5, Thu Jan  1 00:00:40 2026", 40_000);
    });

    test("says nothing otherwise", () => {
      const none = ["", "soon", "-5", "+5", "1e3", "0x10", "5s", "5 6", "Infinity", "NaN", ",", ".5", "٣"];
      const dates = [
        "2026-01-01T00:00:30Z",
        "Thu, 01 Jan 2026 00:00:30",
        "Thu, 01 Jan 2026 00:00:30 +0100",
        "Thu, 1 Jan 2026 00:00:30 GMT",
        "Thu, 32 Jan 2026 00:00:30 GMT",
        "Thu, 30 Feb 2026 00:00:30 GMT",
        "Thu, 01 Foo 2026 00:00:30 GMT",
        "Thu, 01 Jan 2026 24:00:30 GMT",
        "Thu, 01 Jan 2026 00:60:30 GMT",
        "Thu, 01 Jan 12026 00:00:30 GMT",
      ];
      reads("2045", 2_045_000);
      for (const header of [...none, ...dates]) reads(header, undefined);
      reads([], undefined);
      reads(undefined, undefined);
      reads(null, undefined);
    });

    test("is the same whatever the time zone of the process", () => {
      const file = name === "the server's" ? "retry-after.ts" : "../../../client/src/retry-after.ts";
      const script = `import { parseRetryAfter } from ${JSON.stringify(new URL(file, import.meta.url).href)};
        console.log(parseRetryAfter("Thu Jan  1 00:00:30 2026", ${now}));`;
      for (const TZ of ["Pacific/Kiritimati", "America/New_York"]) {
        const args = ["--input-type=module", "-e", script];
        const printed = execFileSync(process.execPath, args, { env: { ...process.env, TZ }, encoding: "utf8" });
        assert.equal(printed.trim(), "30000", TZ);
      }
    });

    test("is a whole number that can be added to a time, or undefined, whatever it says", () => {
      const digits = fc.string({ unit: fc.constantFrom("0", "1", "9", "."), maxLength: 400 });
      const text = fc.oneof(
        fc.string(),
        digits,
        fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
      );
      fc.assert(
        fc.property(fc.oneof(text, fc.array(text)), (header) => {
          const ms = parse(header, now);
          if (ms === undefined) return;
          assert.ok(Number.isSafeInteger(ms) && ms >= 0 && Number.isSafeInteger(now + ms), String(ms));
        }),
      );
    });

    test("reads every date of the next years as what toUTCString wrote", () => {
      const date = fc.date({ min: new Date(now), max: new Date("2120-01-01T00:00:00Z"), noInvalidDate: true });
      fc.assert(
        fc.property(date, (at) => {
          assert.equal(parse(at.toUTCString(), now), Math.floor(at.getTime() / 1_000) * 1_000 - now);
        }),
      );
    });
  });
