import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import { Peaks } from "./peaks.ts";

const residents = [{ name: "gateway 1", pid: process.pid }];

test("a process that held more than it may is told, with its role and both figures", () => {
  const [roomy, narrow] = [new Peaks(100_000), new Peaks(1)];
  roomy.note(residents);
  narrow.note(residents);
  deepEqual(roomy.violations(), []);
  match(roomy.text(), /of at most 100000: gateway 1 \d+$/);
  equal(narrow.violations().length, 1);
  match(narrow.violations()[0] ?? "", /^gateway 1 held \d+ MiB at its peak, of at most 1$/);
});
