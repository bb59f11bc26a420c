import assert from "node:assert/strict";
import { test } from "node:test";
import { parseArrivals } from "../planner/arrivals.ts";
import { arrivedBy } from "./compressed-day.ts";
import { phraseOf } from "./profiles.ts";

const arrivalsOf = (name: string) => parseArrivals(phraseOf(name), 0);
const hourMs = 3_600_000;

test("a day brings its total, two hundred thousand in an hour of the peak, and next to nothing at night", () => {
  const day = arrivalsOf("day");
  const inHour = (hour: number): number => arrivedBy(day, (hour + 1) * hourMs) - arrivedBy(day, hour * hourMs);
  assert.equal(day.total, 2_000_000);
  assert.deepEqual([8, 9, 10, 11, 12, 13, 14, 15].map(inHour), Array(8).fill(200_000));
  assert.equal(Math.max(...[0, 1, 2, 3, 4, 5].map(inHour)), 8_000);
});

test("the peak is the day's busiest hour, and the burst 20,000 within ninety seconds", () => {
  assert.deepEqual([arrivalsOf("peak").total, arrivalsOf("burst").total], [200_000, 20_000]);
});

test("what is no name stays as it is", () => {
  for (const text of ["5/s for 1h", "access.log", "constructor"]) assert.equal(phraseOf(text), text);
});
