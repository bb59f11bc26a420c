import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { hashOf, parseRoute, routeOfSearch, type Route } from "./route.ts";

const id = "01a20504-c7f2-7000-8bc9-cc6e3b3fe42b";

test("each view has an address that leads back to it", () => {
  const routes: readonly Route[] = [
    { kind: "overview" },
    { kind: "queue", queue: "orders.eu", state: undefined },
    { kind: "queue", queue: "orders", state: "dead" },
    { kind: "request", id },
    { kind: "key", key: "a key/with ?&#% of its own" },
  ];
  for (const route of routes) deepEqual(parseRoute(hashOf(route)), route);
});

test("an address that leads nowhere is the overview, and a state that is none is no filter", () => {
  for (const hash of ["", "#", "#/nowhere", "#/queues/", "#/requests"])
    deepEqual(parseRoute(hash), { kind: "overview" });
  deepEqual(parseRoute("#/queues/orders?state=lost"), { kind: "queue", queue: "orders", state: undefined });
  deepEqual(parseRoute("#/queues/%"), { kind: "queue", queue: "%", state: undefined });
});

test("what is searched is an id where it looks like one, else a key", () => {
  deepEqual(routeOfSearch(` ${id.toUpperCase()} `), { kind: "request", id });
  deepEqual(routeOfSearch("order-7"), { kind: "key", key: "order-7" });
  equal(routeOfSearch("  "), undefined);
});
