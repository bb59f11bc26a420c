import assert from "node:assert/strict";
import { test } from "node:test";
import { parseArrivals } from "../planner/arrivals.ts";
import { arrivalMsOf, arrivedBy, compress, lengthMsOf } from "./compressed-day.ts";

const minuteMs = 60_000;
const day = parseArrivals("600/h for 1h, 0 for 1h, 1200/h for 1h", 0);

test("a day at 60x keeps its shape and all its requests, an hour in a minute", () => {
  const compressed = compress(day, { speed: 60, requests: undefined });
  assert.equal(lengthMsOf(compressed), 3 * minuteMs);
  const marks = [0, 0.5, 1, 2, 2.5, 3, 9].map((minutes) => arrivedBy(compressed, minutes * minuteMs));
  assert.deepEqual(marks, [0, 300, 600, 600, 1_200, 1_800, 1_800]);
});

test("a day scaled to fewer requests ends with exactly so many", () => {
  const compressed = compress(day, { speed: 60, requests: 7 });
  assert.equal(arrivedBy(compressed, minuteMs * 3), 7);
  assert.equal(arrivedBy(compressed, minuteMs), 2);
});

test("a request arrives when so many have arrived before it", () => {
  assert.deepEqual(
    [0, 300, 599, 600, 1_200].map((number) => arrivalMsOf(day, number) / minuteMs),
    [0, 30, 59.9, 120, 150],
  );
});
