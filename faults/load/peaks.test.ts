import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import { Peaks } from "./peaks.ts";

test("a process that held more than it may is told, with its role and both figures", () => {
  const peaks = new Peaks();
  peaks.note([{ name: "gateway 1", pid: process.pid, mibMax: 100_000 }]);
  deepEqual(peaks.violations(), []);
  peaks.note([{ name: "worker 1", pid: process.pid, mibMax: 1 }]);
  equal(peaks.violations().length, 1);
  match(peaks.violations()[0] ?? "", /^worker 1 held \d+ MiB at its peak, of 1$/);
  match(peaks.text(), /gateway 1 \d+ \(100000\), worker 1 \d+ \(1\)$/);
});
