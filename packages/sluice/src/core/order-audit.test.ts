import { deepEqual, equal, ok } from "node:assert/strict";
import { describe, test } from "node:test";
import { OrderAudit, type OrderAuditOptions, type OrderedRequest } from "./order-audit.ts";
import type { RequestId } from "./request-id.ts";
import { seededRandom } from "./seeded-random.ts";

const exact: OrderAuditOptions = { apartMs: 0, clockMs: 0 };
const ofSeveral: OrderAuditOptions = { apartMs: 1_000, clockMs: 100 };

/** One that ran from `start` to `end`. */
function ran(
  id: string,
  turnAt: number,
  [start, end]: readonly (number | undefined)[],
  rest: Partial<OrderedRequest> = {},
) {
  const span = { startedAt: start, finishedAt: end, hasBegun: start !== undefined };
  const nothing = { source: undefined, claim: undefined };
  return { id: id as RequestId, queue: "q", order: "k", turnAt, ...nothing, ...span, ...rest } satisfies OrderedRequest;
}

function pairsIn(options: OrderAuditOptions, requests: readonly OrderedRequest[]): readonly (readonly string[])[] {
  const audit = new OrderAudit(options);
  while (audit.begin()) for (const request of requests) audit.look(request);
  return audit.inversions.map(({ first, second }) => [first.id, second.id]);
}

describe("where turns are exact", () => {
  const inOrder = [ran("a", 0, [10, 20]), ran("b", 0, [20, 30]), ran("c", 0, [30, undefined]), ran("d", 0, [])];

  test("each may begin when the one before it has ended, and none of what waits is in the way of others", () => {
    deepEqual(pairsIn(exact, inOrder), []);
  });

  test("one that began a millisecond too early is found, and so is one behind it that did not wait for both", () => {
    deepEqual(pairsIn(exact, [ran("a", 0, [10, 20]), ran("b", 0, [19, 30])]), [["a", "b"]]);
    const behind = [ran("a", 0, [10, 40]), ran("b", 0, [40, 45]), ran("c", 0, [39, 50])];
    deepEqual(pairsIn(exact, behind), [["b", "c"]]);
    const long = [ran("a", 0, [10, 90]), ran("b", 0, [20, 30]), ran("c", 0, [40, 50])];
    deepEqual(pairsIn(exact, long), [
      ["a", "b"],
      ["a", "c"],
    ]);
  });

  test("one that began while another one before it has no outcome is found, whether that one has begun or not", () => {
    for (const open of [ran("a", 0, []), ran("a", 0, [10, undefined])])
      deepEqual(pairsIn(exact, [open, ran("b", 0, [90, 95]), ran("c", 0, [])]), [["a", "b"]]);
  });

  test("what ended without a start, and what has no turn yet, takes no part", () => {
    const cancelled = ran("a", 0, [undefined, 99]);
    const replayed = ran("b", 0, [], { turnAt: undefined });
    deepEqual(pairsIn(exact, [cancelled, replayed, ran("c", 0, [10, 20])]), []);
  });

  test("one whose start is not known still has to end before the next one begins", () => {
    const forgotten = ran("a", 0, [undefined, 50], { hasBegun: true });
    deepEqual(pairsIn(exact, [forgotten, ran("b", 0, [49, 60])]), [["a", "b"]]);
    deepEqual(pairsIn(exact, [ran("z", 0, [10, 40]), forgotten, ran("b", 0, [50, 60])]), []);
  });

  test("other keys, and the same key of another queue, are others", () => {
    const all = [ran("a", 0, [10, 90]), ran("b", 0, [20, 30], { order: "l" }), ran("c", 0, [20, 30], { queue: "r" })];
    deepEqual(pairsIn(exact, all), []);
  });
});

describe("where several accept", () => {
  test("two of different sources within a second may run in either order, but not at once", () => {
    const one = ran("a", 5_000, [9_000, 9_900], { source: "x" });
    const early = ran("b", 6_000 - 1, [8_000, 8_990], { source: "y" });
    deepEqual(pairsIn(ofSeveral, [one, early]), []);
    deepEqual(pairsIn(ofSeveral, [one, { ...early, finishedAt: 9_500 }]), [["a", "b"]]);
    deepEqual(pairsIn(ofSeveral, [one, { ...early, startedAt: 9_500, finishedAt: 9_990 }]), [["a", "b"]]);
    deepEqual(pairsIn(ofSeveral, [one, { ...early, turnAt: 6_000 }]), [["a", "b"]]);
    deepEqual(pairsIn(ofSeveral, [one, { ...early, source: "x" }]), [["a", "b"]]);
  });

  test("clocks that differ a little invert nothing", () => {
    const [one, other] = [ran("a", 0, [9_000, 9_500]), ran("b", 2_000, [9_400, 9_900])];
    deepEqual(pairsIn(ofSeveral, [one, other]), []);
    deepEqual(pairsIn(ofSeveral, [one, { ...other, startedAt: 9_399 }]), [["a", "b"]]);
  });

  test("claims tell without a clock which of two began first", () => {
    const [one, other] = [ran("a", 0, [9_000, 9_005], { claim: 7 }), ran("b", 2_000, [8_999, 9_004], { claim: 6 })];
    deepEqual(pairsIn(ofSeveral, [one, other]), [["a", "b"]]);
    deepEqual(pairsIn(ofSeveral, [one, { ...other, claim: 8 }]), []);
  });

  test("one without an outcome is in the way once a second has passed, or of what its own source accepted later", () => {
    const open = ran("a", 5_000, [], { source: "x" });
    const other = ran("b", 5_500, [9_000, 9_100], { source: "y" });
    deepEqual(pairsIn(ofSeveral, [open, other]), []);
    deepEqual(pairsIn(ofSeveral, [open, { ...other, turnAt: 6_000 }]), [["a", "b"]]);
    deepEqual(pairsIn(ofSeveral, [open, { ...other, source: "x" }]), [["a", "b"]]);
  });
});

test("more keys than a pass may hold are looked at in several, with the same result", () => {
  const random = seededRandom(1, "order-audit");
  const requests = Array.from({ length: 20_000 }, (_, index) => {
    const [queue, order] = [random.pick(["q", "r"]), `key ${random.between(0, 999)}`];
    const startedAt = index * 10 - (random.between(0, 1_000) === 0 ? 150_000 : 0);
    return ran(`${index}`, index, [startedAt, startedAt + 10], { queue, order });
  });
  const results = [10_000, 700, 50].map((keysMax) => {
    const audit = new OrderAudit({ ...exact, keysMax });
    let passes = 0;
    for (; audit.begin(); passes += 1) for (const request of requests) audit.look(request);
    ok(passes >= 2_000 / keysMax, `${passes} passes`);
    const ids = audit.inversions.map(({ second }) => second.id).toSorted();
    return { counts: Object.fromEntries(audit.counts), ids };
  });
  deepEqual(Object.keys(results[0]?.counts ?? {}).toSorted(), ["q", "r"]);
  equal(results[0]?.ids.length, 22);
  deepEqual(results[1], results[0]);
  deepEqual(results[2], results[0]);
});

test("of many inversions of a queue a hundred are named, and all are counted", () => {
  const audit = new OrderAudit(exact);
  while (audit.begin())
    for (let index = 0; index < 300; index += 1) audit.look(ran(`${index}`, index, [1_000 - index, 2_000]));
  deepEqual([audit.counts.get("q")?.inversions, audit.inversions.length], [299, 100]);
});
