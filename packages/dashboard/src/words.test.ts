import { equal, match } from "node:assert/strict";
import { test } from "node:test";
import {
  agoWords,
  besideWords,
  bytesWords,
  carrierWords,
  countOf,
  countWords,
  durationWords,
  forecastWords,
  groupLimitWords,
  inWords,
  measuredWords,
  observedWords,
  shortCount,
  timeAheadWords,
} from "./words.ts";

const now = Date.parse("2026-11-25T09:00:00Z");
const later = (ms: number): string => new Date(now + ms).toISOString();

test("a forecast says when the backlog drains, that it grows, or why and since when it is stalled", () => {
  const words = (forecast: Parameters<typeof forecastWords>[0]["forecast"]): string => forecastWords({ forecast, now });
  equal(words({ kind: "idle" }), "nothing waits");
  equal(words({ kind: "drains", at: later(35 * 60_000) }), "drains in 35 min");
  equal(words({ kind: "drains", at: later(10 * 3_600_000) }), "drains in 10 h");
  equal(words({ kind: "drains", at: later(-5_000) }), "drains in 1 s");
  equal(words({ kind: "grows", perMinute: 1_200 }), "grows by 1,200 a minute");
  const since = later(-5 * 60_000);
  equal(words({ kind: "stalled", since, reason: "paused" }), "stalled for 5 min: deliveries are paused");
  equal(words({ kind: "stalled", since, reason: "target-down" }), "stalled for 5 min: the target is down");
  equal(words({ kind: "stalled", since, reason: "no-workers" }), "stalled for 5 min: no worker is present");
  equal(words({ kind: "stalled", since, reason: "nothing-finishes" }), "stalled for 5 min: no request finishes");
});

test("a cluster's servers beside PostgreSQL are named", () => {
  equal(carrierWords({ hints: "postgres", notices: "postgres" }), "PostgreSQL alone");
  equal(carrierWords({ hints: "rabbitmq", notices: "postgres" }), "with RabbitMQ");
  equal(carrierWords({ hints: "postgres", notices: "redis" }), "with Redis");
  equal(carrierWords({ hints: "rabbitmq", notices: "redis" }), "with RabbitMQ and Redis");
});

test("durations are as long as a person needs them", () => {
  equal(durationWords(400), "under a second");
  equal(durationWords(59_900), "59 s");
  equal(durationWords(3_599_000), "59 min");
  equal(durationWords(3_600_000), "1 h");
  equal(durationWords(100 * 60_000), "1 h 40 min");
  equal(durationWords(47.5 * 3_600_000), "47 h 30 min");
  equal(durationWords(50 * 3_600_000), "2 days");
});

test("moments are told from now", () => {
  equal(agoWords(later(-12_000), now), "12 s ago");
  equal(agoWords(later(500), now), "just now");
  equal(inWords(later(90_000), now), "in 1 min");
  equal(inWords(later(-90_000), now), "now");
});

test("numbers have separators, and units where there is little room", () => {
  equal(countWords(1_234_567), "1,234,567");
  equal(countOf(1, "request"), "1 request");
  equal(countOf(0, "request"), "0 requests");
  equal(shortCount(9_500), "9,500");
  equal(shortCount(12_000), "12k");
  equal(shortCount(1_500_000), "1.5M");
  equal(bytesWords(1), "1 byte");
  equal(bytesWords(1_536), "1.5 KiB");
  equal(bytesWords(3 * 1024 ** 3), "3.0 GiB");
});

test("a rate is told once a minute was observed, and a count with the time that it is of", () => {
  equal(measuredWords(36_000, 59), "–");
  equal(measuredWords(36_000, 60), "36,000/h");
  equal(observedWords(0), "last 1 s");
  equal(observedWords(102), "last 1 min");
  equal(observedWords(3_600), "last hour");
});

test("what workers claimed and commit is told beside what runs", () => {
  equal(besideWords({ claimed: 2, running: 4, committing: 5 }), " + 2 claimed + 5 committing");
  equal(besideWords({ claimed: 0, running: 4, committing: 0 }), "");
  equal(besideWords({ claimed: 2, running: 4, committing: 0, limit: 12 }), " of 12 found + 2 claimed");
});

test("of a group only what was set is told", () => {
  const none = { concurrency: null, ratePerHour: null, backlogMax: null, paused: false };
  const group = { name: "g", backlog: 0, inFlight: 0, weight: 1, ...none };
  equal(groupLimitWords(group), "–");
  const limits = { weight: 0.5, concurrency: 8, ratePerHour: 1_000, backlogMax: 500 };
  equal(groupLimitWords({ ...group, ...limits }), "weight 0.5, 8 at once, 1,000/h, up to 500 in the backlog");
  equal(groupLimitWords({ ...group, ratePerHour: 1 / 24 }), "under 1/h");
});

test("a time that lies ahead is told with how far", () => {
  match(timeAheadWords(later(2 * 3_600_000), now), /^\d\d:00:00, in 2 h$/);
  match(timeAheadWords(later(-60_000), now), /:59:00$/);
});
