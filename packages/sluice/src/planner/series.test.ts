import assert from "node:assert/strict";
import { test } from "node:test";
import { parseArrivals } from "./arrivals.ts";
import { seriesOf, type Point } from "./series.ts";
import { simulate } from "./simulate.ts";

const hourMs = 3_600_000;
const service = { perReplicaPerHour: 100_000, ratePerHour: undefined };

test("a chart's lines: arrivals and their waits end with the last arrival, service and backlog with the last finished", () => {
  const samples = simulate(parseArrivals("200000/h for 10h", 0), service, { kind: "fixed", replicas: 1 });
  const { arrivals, service: served, backlog, waitMs } = seriesOf(samples, 20); // a point an hour
  const at = (points: readonly Point[], hour: number) =>
    points.find(({ atMs }) => Math.abs(atMs - hour * hourMs) < 1_000)?.value;
  const rounded = (points: readonly Point[], hour: number) => Math.round(at(points, hour) ?? Number.NaN);
  assert.deepEqual([rounded(arrivals, 5), rounded(arrivals, 15)], [200_000, 0]);
  assert.deepEqual([rounded(served, 5), rounded(served, 15)], [100_000, 100_000]);
  assert.deepEqual([rounded(backlog, 5), rounded(backlog, 15)], [500_000, 500_000]);
  assert.deepEqual([rounded(waitMs, 5), rounded(waitMs, 10), rounded(waitMs, 15)], [5 * hourMs, 10 * hourMs, 0]);
});

test("a peak between two points of the chart is not lost", () => {
  const samples = simulate(parseArrivals("1/h for 5h, 7200/s for 1s, 1/h for 5h", 0), service, {
    kind: "fixed",
    replicas: 1,
  });
  const { backlog } = seriesOf(samples, 4);
  assert.ok(Math.max(...backlog.map(({ value }) => value)) > 7_000);
});
