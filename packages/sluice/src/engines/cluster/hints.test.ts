import assert from "node:assert/strict";
import { test } from "node:test";
import { requestIdOf } from "../../core/request-id.ts";
import { HintBuffer } from "./hints.ts";
import type { HintKind } from "./topology.ts";

/** The bounds of a worker that may give three places to requests that failed before, none of them first. */
const bounds = { first: 0, most: 3 };

function fill(buffer: HintBuffer, kind: HintKind, count: number): void {
  const ids = Array.from({ length: count }, (_, n) => requestIdOf(n + 1, new Uint8Array(16)));
  buffer.add({ kind, ids, isRedelivered: false, done: () => {} });
}

function take(buffer: HintBuffer, max: number): readonly HintKind[] {
  return buffer.take(max, bounds).map(({ kind }) => kind);
}

test("requests that failed before take the places that fresh ones leave free", () => {
  const buffer = new HintBuffer(() => {});
  fill(buffer, "again", 5);
  fill(buffer, "fresh", 1);
  assert.deepEqual(take(buffer, 4), ["fresh", "again", "again", "again"]);
});

test("they wait while fresh ones that filled all places may have successors at the broker, and no longer", async () => {
  const { promise: refilled, resolve } = Promise.withResolvers<void>();
  const buffer = new HintBuffer(resolve);
  fill(buffer, "again", 5);
  fill(buffer, "fresh", 2);
  assert.deepEqual(take(buffer, 2), ["fresh", "fresh"]);
  assert.deepEqual(take(buffer, 2), [], "the next fresh ones are on their way");
  fill(buffer, "fresh", 1);
  assert.deepEqual(take(buffer, 2), ["fresh"]);
  await refilled;
  assert.deepEqual(take(buffer, 2), ["again", "again"]);
});
