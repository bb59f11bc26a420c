import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePreferWait } from "./prefer.ts";

test("wait is read as RFC 7240 has it, and what is malformed is ignored", () => {
  const cases: readonly (readonly [string | undefined, number | undefined])[] = [
    [undefined, undefined],
    ["", undefined],
    ["wait=10", 10],
    ["Wait = 10", 10],
    ['wait="10"', 10],
    ["wait=0", 0],
    ["wait=600", 60],
    ["respond-async, wait=5", 5],
    ["wait=5; foo=bar", 5],
    ["wait=5, wait=9", 5],
    ['foo="a, wait=3", wait=4', 4],
    ["wait", undefined],
    ["wait=", undefined],
    ["wait=-1", undefined],
    ["wait=1.5", undefined],
    ["wait=abc", undefined],
    ['"wait=1', undefined],
    [",,;=", undefined],
    [`wait=5, foo="${"x".repeat(2_000)}"`, undefined],
  ];
  for (const [header, seconds] of cases) assert.equal(parsePreferWait(header, 60), seconds, header);
});
