import assert from "node:assert/strict";
import { test } from "node:test";
import { parseQuota, QuotaMeter } from "./quota.ts";

test("a quota is so many within a window", () => {
  assert.deepEqual(parseQuota(" 100_000/h "), { text: "100000/h", count: 100_000, windowSeconds: 3_600 });
  for (const text of ["", "0/h", "1.5/s", "-1/s", "5", "5/w", "many/h"])
    assert.throws(() => parseQuota(text), /expected a rate of whole requests/, text);
});

test("all of it may be used at once, and comes back as time passes", () => {
  const meter = new QuotaMeter(parseQuota("60/m"), 0);
  for (let left = 59; left >= 0; left -= 1) assert.equal(meter.take(0).remaining, left);
  assert.deepEqual(meter.take(0), { isAllowed: false, remaining: 0, afterSeconds: 1 });
  assert.equal(meter.take(999).isAllowed, false);
  assert.deepEqual(meter.take(1_000), { isAllowed: true, remaining: 0, afterSeconds: 60 });
  assert.equal(meter.take(1_000_000).remaining, 59, "no more than the quota is saved up");
});

test("many are taken together or not at all, and what is given back can be taken again", () => {
  const meter = new QuotaMeter(parseQuota("60/m"), 0);
  assert.deepEqual(meter.take(0, 40), { isAllowed: true, remaining: 20, afterSeconds: 40 });
  assert.deepEqual(meter.take(0, 40), { isAllowed: false, remaining: 20, afterSeconds: 20 });
  assert.equal(meter.take(0, 20).isAllowed, true);
  assert.deepEqual(meter.giveBack(0, 39), { isAllowed: true, remaining: 39, afterSeconds: 21 });
  assert.equal(meter.giveBack(0, 100).remaining, 60, "never more than the quota");
});
