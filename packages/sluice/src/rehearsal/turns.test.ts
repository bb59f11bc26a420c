import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { Books } from "./books.ts";
import { outOfTurn, placementOf, type Course } from "./turns.ts";

const idOf = (number: number): string => `id-${number}`;

/** Sent one after another: a batch of 0 and 1, then 2 alone; 3 and 4 were under way at the same time. */
async function booksOf(): Promise<Books> {
  const books = new Books();
  const send = (from: number, count: number) => books.note({ kind: "sent", from, count });
  const accept = (from: number, ...ids: string[]) => books.note({ kind: "accepted", from, count: ids.length, ids });
  await send(0, 2);
  await accept(0, idOf(0), idOf(1));
  await send(2, 1);
  await accept(2, idOf(2));
  await send(3, 1);
  await send(4, 1);
  await accept(4, idOf(4));
  await accept(3, idOf(3));
  return books;
}

const courses = (...spans: readonly (readonly [number: number, startedAt: number, finishedAt: number])[]): Course[] =>
  spans.map(([number, startedAt, finishedAt]) => ({ number, id: idOf(number), acceptedAt: 0, startedAt, finishedAt }));

const cases: ReadonlyArray<readonly [what: string, own: Course[], wrong: readonly number[]]> = [
  ["one after another", courses([0, 1, 2], [1, 2, 3], [2, 4, 5], [3, 6, 7]), []],
  ["within one millisecond", courses([1, 5, 5], [0, 5, 5], [2, 5, 6]), []],
  ["in either order where nobody can say which was first", courses([0, 1, 2], [4, 3, 4], [3, 5, 6]), []],
  ["at the same time", courses([0, 1, 4], [2, 3, 5]), [2]],
  ["within a longer one", courses([0, 1, 9], [2, 3, 4], [3, 5, 6]), [2, 3]],
  ["behind one that was sent after its receipt", courses([2, 1, 2], [0, 3, 4]), [0]],
  ["behind one that stood later in their batch", courses([1, 1, 2], [0, 3, 4]), [0]],
];

for (const [what, own, wrong] of cases) {
  test(`requests of one order key that ran ${what}: ${wrong.length} out of turn`, async () =>
    deepEqual(outOfTurn(own, await booksOf()), wrong.map(idOf)));
}

test("a batch that was sent again without an answer tells nothing of its order", async () => {
  const books = await booksOf();
  await books.note({ kind: "unknown", from: 0, count: 2, reason: "cut off" });
  deepEqual(outOfTurn(courses([1, 1, 2], [0, 3, 4]), books), []);
});

test("groups get their shares, in each order key alike, and a number has the same place each time", () => {
  const placing = {
    orders: 3,
    groups: [
      { group: "a", share: 0.7 },
      { group: "b", share: 0.2 },
    ],
  };
  const counts = new Map<string, number>();
  for (let number = 0; number < 3_000; number += 1) {
    const { order, group } = placementOf(placing, number);
    deepEqual(placementOf(placing, number), { order, group });
    counts.set(`${order} ${group}`, (counts.get(`${order} ${group}`) ?? 0) + 1);
  }
  const early = Array.from({ length: 50 }, (_, number) => placementOf(placing, number).group);
  ok(Math.abs(early.filter((group) => group === "b").length - 10) <= 2, "from the start on");
  for (const order of ["order-0", "order-1", "order-2"])
    for (const [group, count] of [
      ["a", 700],
      ["b", 200],
      [undefined, 100],
    ] as const)
      ok(Math.abs((counts.get(`${order} ${group}`) ?? 0) - count) < 20, `${order} ${group}`);
});
