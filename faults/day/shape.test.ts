import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { minutesPerDay, minuteStarts } from "./shape.ts";

test("a day brings its total, two hundred thousand in an hour of the peak, and next to nothing at night", () => {
  const starts = minuteStarts(2_000_000);
  const inHour = (hour: number): number => (starts[60 * (hour + 1)] ?? 0) - (starts[60 * hour] ?? 0);
  equal(starts.length, minutesPerDay + 1);
  equal(starts[minutesPerDay], 2_000_000);
  deepEqual([8, 9, 10, 11, 12, 13, 14, 15].map(inHour), Array(8).fill(200_000));
  equal(Math.max(...[0, 1, 2, 3, 4, 5].map(inHour)), 8_000);
});

test("a small day has every request in one minute or another", () => {
  const starts = minuteStarts(7);
  equal(starts[minutesPerDay], 7);
  deepEqual(
    [...starts],
    [...starts].toSorted((a, b) => a - b),
  );
});
