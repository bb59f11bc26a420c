import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { WireOverviewEvent, WireQueue } from "@sluice/client";
import { nothingKnown, reduce, type Live, type LiveEvent } from "./live.ts";

const start = Date.parse("2026-11-25T09:00:00Z");
const rates = { m1: 0, m5: 0, h1: 0 };
const orders: WireQueue = {
  name: "orders",
  paused: false,
  accepted: 0,
  backlog: 0,
  backlogBytes: 0,
  oldestWaitingAt: null,
  workers: 1,
  breakersOpen: 0,
  ratePerHour: null,
  counts: { waiting: 0, scheduled: 0, running: 0, done: 0, dead: 0, cancelled: 0 },
  deliveries: { claimed: 0, running: 0, committing: 0 },
  rates: { accepted: rates, finished: rates, observedSeconds: 3_600 },
  forecast: { kind: "idle" },
};

function overview(atMs: number, backlog: number): LiveEvent {
  const data: WireOverviewEvent = {
    at: new Date(start + atMs).toISOString(),
    version: "0.1.0",
    ready: true,
    problems: [],
    carriers: null,
    queues: [{ ...orders, backlog }],
  };
  return { kind: "overview", data };
}

function after(...events: readonly LiveEvent[]): Live {
  return events.reduce(reduce, nothingKnown);
}

const gone: LiveEvent = { kind: "link", link: { kind: "gone", sinceMs: start, retryAtMs: start } };
const live: LiveEvent = { kind: "link", link: { kind: "live" } };

test("each sample is added to the curve of its queue", () => {
  const { curves, overview: last } = after(overview(0, 5), overview(1_000, 7));
  deepEqual(curves.get("orders")?.backlog, [5, 7]);
  deepEqual(curves.get("orders")?.at, [start, start + 1_000]);
  equal(last?.queues[0]?.backlog, 7);
});

test("a curve begins with the history, and a sample that it has already is not added twice", () => {
  const history: LiveEvent = {
    kind: "history",
    data: {
      queues: [{ queue: "orders", at: [start - 2_000, start], backlog: [3, 5], accepted: [0, 0], finished: [0, 0] }],
    },
  };
  deepEqual(after(history, overview(0, 5), overview(1_000, 7)).curves.get("orders")?.backlog, [3, 5, 7]);
});

test("where nobody looked for a while the curve has a gap", () => {
  deepEqual(after(overview(0, 5), overview(60_000, 7)).curves.get("orders")?.backlog, [5, null, 7]);
});

test("a curve goes back a quarter of an hour", () => {
  const samples = Array.from({ length: 1_000 }, (_, second) => overview(second * 1_000, second));
  const { at = [], backlog = [] } = after(...samples).curves.get("orders") ?? {};
  equal(backlog.at(-1), 999);
  equal(backlog[0], 99);
  equal(at.length, backlog.length);
});

test("what the page saw stays when the gateway comes back without a history", () => {
  const { curves, returns, link } = after(overview(0, 5), gone, live, { kind: "history", data: { queues: [] } });
  deepEqual(curves.get("orders")?.backlog, [5]);
  equal(returns, 1);
  equal(link.kind, "live");
});

test("the first connection is no return, and waiting for longer is none either", () => {
  equal(after(live).returns, 0);
  equal(after(gone, gone, live, live, gone).returns, 1);
});

test("a store that can be read again has nothing more to complain of", () => {
  const unreadable: LiveEvent = { kind: "unreadable", data: { code: "store-unavailable", message: "out" } };
  equal(after(overview(0, 5), unreadable).unreadable?.message, "out");
  equal(after(overview(0, 5), unreadable).overview?.queues[0]?.backlog, 5);
  equal(after(unreadable, overview(0, 5)).unreadable, undefined);
});
