import { deepEqual, equal } from "node:assert/strict";
import { describe, test } from "node:test";
import { bodyHashLength } from "./day-logs.ts";
import { dayParcels, keyOf } from "./parcels.ts";
import { forbiddenOfDay, Tally, type DayFigures } from "./tally.ts";

const total = 4;
const parcels = dayParcels(1, total);
const numbers = Array.from({ length: total }, (_, number) => number);

/** Everything that a tally heeds, as a good day leaves it behind. */
function goodDay() {
  return {
    books: [
      { kind: "sent" as const, from: 0, count: 3 },
      { kind: "unknown" as const, from: 0, count: 3, reason: "killed" },
      { kind: "sent" as const, from: 0, count: 3 },
      { kind: "accepted" as const, from: 0, count: 3, ids: [0, 1, 2].map(hexOf).join("") },
      { kind: "sent" as const, from: 3, count: 1 },
      { kind: "accepted" as const, from: 3, count: 1, ids: hexOf(3) },
      { kind: "result" as const, id: idOf(1), resultHash: "first" },
    ],
    listed: numbers.map((number) => ({ id: idOf(number), key: keyOf(number), state: "done" })),
    effects: numbers.map((number) => ({ id: idOf(number), bodyHash: parcels.hashOf(number).slice(0, bodyHashLength) })),
    results: numbers.map((number) => ({
      number,
      resultHash: number === 1 ? "first" : "other",
      resultOf: parcels.hashOf(number) as string | undefined,
    })),
  };
}

type Day = ReturnType<typeof goodDay>;

function figuresAfter(change: (day: Day) => void): DayFigures {
  const day = goodDay();
  change(day);
  const tally = new Tally(parcels);
  for (const line of day.books) tally.heed(line);
  for (const listed of day.listed) tally.heedListed(listed);
  for (const { number, ...result } of day.results) tally.heedResult(number, result);
  for (const { id, bodyHash } of day.effects) tally.heedEffect(id, bodyHash);
  return tally.figures();
}

function redAfter(change: (day: Day) => void): Partial<DayFigures> {
  const figures = figuresAfter(change);
  return Object.fromEntries(forbiddenOfDay.filter((name) => figures[name] !== 0).map((name) => [name, figures[name]]));
}

describe("the tally of a day", () => {
  test("is green when everything accepted is listed, effected and read", () => {
    deepEqual(
      redAfter(() => undefined),
      {},
    );
    const { accepted, done, unknown, effects } = figuresAfter(() => undefined);
    deepEqual({ accepted, done, unknown, effects }, { accepted: 4, done: 4, unknown: 3, effects: 4 });
  });

  test("counts a request without an outcome as lost", () => {
    deepEqual(
      redAfter(({ results }) => results.pop()),
      { lost: 1 },
    );
    deepEqual(
      redAfter(({ listed }) => listed.pop()),
      { lost: 1 },
    );
    deepEqual(
      redAfter(({ listed }) => (listed[2] = { id: idOf(2), key: keyOf(2), state: "running" })),
      { lost: 1 },
    );
  });

  test("counts an outcome without its effect as lost", () => {
    deepEqual(
      redAfter(({ effects }) => effects.pop()),
      { lost: 1 },
    );
  });

  test("counts a request that ended dead", () => {
    deepEqual(
      redAfter(({ listed, results }) => {
        listed[3] = { id: idOf(3), key: keyOf(3), state: "dead" };
        results.pop();
      }),
      { dead: 1 },
    );
  });

  test("counts a key that got a second id as a doubled outcome", () => {
    deepEqual(
      redAfter(({ books }) => books.push({ kind: "accepted", from: 2, count: 1, ids: hexOf(9) })),
      {
        doubledOutcomes: 1,
      },
    );
    deepEqual(
      redAfter(({ listed }) => listed.push({ id: idOf(9), key: keyOf(2), state: "done" })),
      {
        doubledOutcomes: 1,
      },
    );
  });

  test("counts two keys with one id as a doubled outcome, and the second as without a receipt", () => {
    const red = redAfter(({ books }) => (books[5] = { kind: "accepted", from: 3, count: 1, ids: hexOf(2) }));
    equal(red.withoutReceipt, 1);
    equal((red.doubledOutcomes ?? 0) > 0, true);
  });

  test("counts a result that changed after it was read as a doubled outcome", () => {
    deepEqual(
      redAfter(({ results }) => (results[1] = { ...at(results, 1), resultHash: "second" })),
      {
        doubledOutcomes: 1,
      },
    );
  });

  test("counts what nobody sent as phantom", () => {
    deepEqual(
      redAfter(({ listed }) => listed.push({ id: idOf(9), key: keyOf(9), state: "done" })),
      { phantom: 1 },
    );
    deepEqual(
      redAfter(({ effects }) => effects.push({ id: idOf(9), bodyHash: "" })),
      { phantom: 1 },
    );
  });

  test("counts an effect or a result of another body as mismatched", () => {
    deepEqual(
      redAfter(({ effects }) => (effects[0] = { ...at(effects, 0), bodyHash: at(effects, 1).bodyHash })),
      {
        mismatched: 1,
      },
    );
    deepEqual(
      redAfter(({ results }) => (results[0] = { ...at(results, 0), resultOf: parcels.hashOf(1) })),
      {
        lost: 1,
        mismatched: 1,
      },
    );
    deepEqual(
      redAfter(({ results }) => (results[0] = { ...at(results, 0), resultOf: undefined })),
      {
        lost: 1,
        mismatched: 1,
      },
    );
  });

  test("counts a request without a receipt", () => {
    deepEqual(
      redAfter(({ books, listed, results, effects }) => {
        books.splice(4, 2);
        for (const things of [listed, results, effects]) things.pop();
      }),
      { withoutReceipt: 1 },
    );
  });

  test("tells doubled effects and forbids them not", () => {
    const twice = ({ effects }: Day): void => void effects.push(at(effects, 0));
    deepEqual(redAfter(twice), {});
    equal(figuresAfter(twice).doubledEffects, 1);
  });
});

function idOf(number: number): string {
  return hexOf(number).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function hexOf(number: number): string {
  return `01a20504c7f270008bc9cc6e${(0xabc00000 + number).toString(16)}`;
}

function at<Item>(items: readonly Item[], index: number): Item {
  return items[index] as Item;
}
