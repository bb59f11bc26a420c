import assert from "node:assert/strict";
import { test } from "node:test";
import { violationsOf, type Evidence, type Figures } from "./violations.ts";

const good: Figures = {
  requests: 10,
  accepted: 10,
  unknown: 3,
  refused: 2,
  withoutReceipt: 0,
  unsettled: 0,
  unaccounted: 0,
  outOfTurn: 0,
  done: 9,
  dead: 1,
  cancelled: 0,
  unfinished: 0,
  lost: 0,
  mismatched: 0,
  changed: 0,
  doubled: 0,
};
const audit = { holds: true, queues: [], hours: [], findings: [] };
const told = (figures: Partial<Figures>, more: Partial<Evidence> = {}): readonly string[] =>
  violationsOf({ figures: { ...good, ...figures }, audit, kills: [], isInterrupted: false, ...more });

test("dead requests, refusals and lost answers are no violations", () => {
  assert.deepEqual(told({}), []);
});

for (const name of ["lost", "unfinished", "mismatched", "changed", "doubled", "withoutReceipt", "outOfTurn"] as const) {
  test(`a single request that counts as ${name} is a violation`, () => {
    assert.equal(told({ [name]: 1 }).length, 1);
  });
}

test("an interruption excuses what is unfinished or was not sent, and nothing else", () => {
  const interrupted = { isInterrupted: true };
  assert.deepEqual(told({ unfinished: 3, withoutReceipt: 4 }, interrupted), []);
  assert.equal(told({ lost: 1 }, interrupted).length, 1);
});

test("the queue may count more than the receipts only by what was sent without an answer", () => {
  assert.deepEqual(told({ unaccounted: 2, unsettled: 2, withoutReceipt: 2 }, { isInterrupted: true }), []);
  assert.match(told({ unaccounted: 1 }).join(), /1 more than the receipts/);
  assert.match(told({ unaccounted: -1 }).join(), /1 fewer than the receipts/);
});

test("a law that does not hold, and a kill that was not done, are violations", () => {
  assert.match(told({}, { audit: { ...audit, holds: false } }).join(), /the law does not hold/);
  const kills = [{ name: "worker", atMs: 1, failure: "nobody there" }];
  assert.match(told({}, { kills }).join(), /1 of 1 kills could not be done: nobody there/);
});
