import assert from "node:assert/strict";
import { test } from "node:test";
import { ticksOf } from "./ticks.ts";

/** The ticks of the hours from one time to another, and whether they are the same read backwards. */
function ticksBetween(cron: string, timeZone: string, [from, to]: readonly [string, string]): readonly string[] {
  const ticks = ticksOf("nightly", { kind: "cron", cron, timeZone });
  const [start, end] = [Date.parse(from), Date.parse(to)];
  const forwards: number[] = [];
  for (let at = ticks.next(start); at !== undefined && at < end; at = ticks.next(at)) forwards.push(at);
  const backwards: number[] = [];
  for (let at = ticks.previous(end); at !== undefined && at > start; at = ticks.previous(at)) backwards.unshift(at);
  assert.deepEqual(backwards, forwards);
  return forwards.map((at) => new Date(at).toISOString().replace(":00.000Z", "Z"));
}

const berlin = "Europe/Berlin";
const march = ["2026-03-28T00:00Z", "2026-03-31T00:00Z"] as const; // on the 29th 02:00 becomes 03:00
const october = ["2026-10-24T00:00Z", "2026-10-27T00:00Z"] as const; // on the 25th 03:00 becomes 02:00

test("a time keeps its hour in its zone over the year", () => {
  assert.deepEqual(ticksBetween("0 3 * * *", berlin, march), [
    "2026-03-28T02:00Z",
    "2026-03-29T01:00Z",
    "2026-03-30T01:00Z",
  ]);
  assert.deepEqual(ticksBetween("0 3 * * *", "UTC", ["2026-03-28T00:00Z", "2026-03-29T00:00Z"]), ["2026-03-28T03:00Z"]);
});

test("a time that does not exist on a day ticks when the clocks have changed", () => {
  const ticks = ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"];
  assert.deepEqual(ticksBetween("30 2 * * *", berlin, march), ticks);
});

test("two times that become one tick once", () => {
  const ticks = ticksBetween("0 2,3 * * *", berlin, march);
  assert.deepEqual(ticks.slice(2), ["2026-03-29T01:00Z", "2026-03-30T00:00Z", "2026-03-30T01:00Z"]);
});

test("a time that exists twice on a day ticks once, the first time", () => {
  const ticks = ["2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"];
  assert.deepEqual(ticksBetween("30 2 * * *", berlin, october), ticks);
  assert.equal(ticksBetween("0,30 1-3 * * *", berlin, ["2026-10-24T22:00Z", "2026-10-25T23:00Z"]).length, 6);
});

test("with a wildcard each half hour that passes ticks, whatever the clocks do", () => {
  assert.equal(ticksBetween("*/30 * * * *", berlin, march).length, 3 * 48 - 1);
  assert.equal(ticksBetween("*/30 * * * *", berlin, october).length, 3 * 48 - 1);
});

test("a leap day, the last day of a month, a weekday", () => {
  const years = ["2026-01-01T00:00Z", "2033-01-01T00:00Z"] as const;
  assert.deepEqual(ticksBetween("0 0 29 2 *", "UTC", years), ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]);
  assert.deepEqual(ticksBetween("0 9 * * MON", "UTC", ["2026-03-01T00:00Z", "2026-03-15T00:00Z"]), [
    "2026-03-02T09:00Z",
    "2026-03-09T09:00Z",
  ]);
});

test("a pattern that is none, or matches no day, is refused by its schedule's name", () => {
  const refused = (cron: string, message: RegExp) =>
    assert.throws(() => ticksOf("nightly", { kind: "cron", cron, timeZone: "UTC" }), { code: "bad-config", message });
  refused("61 3 * * *", /^schedules\.nightly\.cron: .*61/);
  refused("a b c d e", /^schedules\.nightly\.cron: /);
  refused("0 3 * * * *", /^schedules\.nightly\.cron: .*5/);
  refused("0 0 30 2 *", /^schedules\.nightly\.cron must match some day, and "0 0 30 2 \*" matches none/);
});
