// A judge that cannot say no proves nothing.
import { deepEqual } from "node:assert/strict";
import { describe, test } from "node:test";
import { attacks, judgeAttacks, type Tallies } from "./attacks.ts";

const right = Object.fromEntries(
  attacks.map(({ kind, statuses }) => [kind, Object.fromEntries(statuses.map((status) => [status, 3]))]),
) as Tallies;

describe("the judge of the attacks", () => {
  test("is content when each kind got the answers that it must get, and no others", () => {
    deepEqual(judgeAttacks(right), []);
  });

  for (const answer of ["202", "500", "no answer"]) {
    test(`sees one that was answered with ${answer}`, () => {
      const tallies: Tallies = { ...right, "compressed bombs": { 415: 3, [answer]: 1 } };
      deepEqual(judgeAttacks(tallies), [`compressed bombs: 1 times "${answer}", not 415`]);
    });
  }

  test("sees a refusal without Retry-After, and a bound that was never reached", () => {
    const tallies: Tallies = { ...right, "16 MiB batches": { 400: 3, "503 without Retry-After": 2 } };
    deepEqual(judgeAttacks(tallies), [
      '16 MiB batches: 2 times "503 without Retry-After", not 400 or 503',
      "16 MiB batches: never answered with 503",
    ]);
  });
});
