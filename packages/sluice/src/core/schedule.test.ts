import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseTicks, definitionOf, dueTicks, everyTicks, tickKeyOf, type MissedPolicy } from "./schedule.ts";

const minuteMs = 60_000;
const at = Date.parse("2026-03-01T12:00:00Z");

/** What is submitted at `now` of the ticks each so many milliseconds that came after `doneUntil`. */
function submitted(everyMs: number, of: { doneUntil: number; now: number; startedAt: number; missed: MissedPolicy }) {
  return chooseTicks(dueTicks(everyTicks(everyMs), of), of);
}

test("every 15m ticks on the quarters of an hour, whenever a process starts", () => {
  const { next, previous } = everyTicks(15 * minuteMs);
  assert.deepEqual([next(at - 1), next(at), next(at + 1)], [at, at + 15 * minuteMs, at + 15 * minuteMs]);
  assert.deepEqual([previous(at), previous(at + 1)], [at - 15 * minuteMs, at]);
});

test("a tick is due from its time on, and once", () => {
  const due = (doneUntil: number, now: number) => dueTicks(everyTicks(minuteMs), { doneUntil, now, missed: "all" });
  assert.deepEqual(due(at - 1, at - 1), []);
  assert.deepEqual(due(at - 1, at), [at]);
  assert.deepEqual(due(at, at + minuteMs - 1), []);
});

test("after an hour in which nothing ran: skip submits none, last the latest, all each of them", () => {
  const now = at + 90_000; // the latest tick is a minute and a half late
  const after = (missed: MissedPolicy) =>
    submitted(15 * minuteMs, { doneUntil: at - 60 * minuteMs, now, startedAt: now, missed });
  assert.deepEqual(after("skip"), []);
  assert.deepEqual(after("last"), [at]);
  assert.deepEqual(after("all"), [at - 45 * minuteMs, at - 30 * minuteMs, at - 15 * minuteMs, at]);
});

test("a tick up to a minute late is not missed", () => {
  const late = (ms: number) =>
    submitted(15 * minuteMs, { doneUntil: at - 1, now: at + ms, startedAt: at + ms, missed: "skip" });
  assert.deepEqual([late(minuteMs), late(minuteMs + 1)], [[at], []]);
});

test("of several ticks in the minute before a start only the latest is on time", () => {
  const now = at + 500;
  const after = (missed: MissedPolicy) => submitted(1_000, { doneUntil: at - 10_000, now, startedAt: now, missed });
  assert.deepEqual([after("skip"), after("last"), after("all").length], [[at], [at], 10]);
});

test("ticks that passed since the start are on time for a minute: a slow store costs none", () => {
  const running = { doneUntil: at - 10_000, now: at, startedAt: at - minuteMs };
  for (const missed of ["skip", "last", "all"] as const)
    assert.equal(submitted(1_000, { ...running, missed }).length, 10);
  const later = { doneUntil: at - 10 * minuteMs, now: at, startedAt: at - 60 * minuteMs };
  assert.equal(submitted(1_000, { ...later, missed: "last" }).length, 61);
});

test("after a year without a process a thousand ticks are submitted, the newest, the oldest first", () => {
  const now = at + 500;
  const ticks = submitted(1_000, { doneUntil: at - 365 * 24 * 60 * minuteMs, now, startedAt: now, missed: "all" });
  assert.equal(ticks.length, 1_000);
  assert.deepEqual([ticks[0], ticks.at(-1)], [at - 999_000, at]);
});

test("a tick's key names the schedule and the time", () => {
  assert.equal(tickKeyOf("nightly", at), "schedule:nightly:2026-03-01T12:00:00.000Z");
});

test("a schedule that ticks at other times or into another queue is another one", () => {
  const cron = { kind: "cron", cron: "0 3 * * *", timeZone: "Europe/Berlin" } as const;
  const nightly = { name: "nightly", queue: "orders", beat: cron };
  const others = [
    { ...nightly, queue: "mails" },
    { ...nightly, beat: { ...cron, timeZone: "UTC" } },
    { ...nightly, beat: { ...cron, cron: "0 4 * * *" } },
    { ...nightly, beat: { kind: "every", text: "1d", everyMs: 86_400_000 } as const },
  ];
  assert.equal(new Set([nightly, ...others].map(definitionOf)).size, 5);
  assert.equal(definitionOf({ ...nightly }), "nightly orders 0 3 * * * Europe/Berlin");
});
