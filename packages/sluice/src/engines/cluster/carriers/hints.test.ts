import assert from "node:assert/strict";
import { test } from "node:test";
import { requestIdOf } from "../../../core/request-id.ts";
import { HintBuffer } from "./hints.ts";
import type { HintKind } from "./carrier.ts";

/** The bounds of a worker that may give three places to requests that failed before, none of them first. */
const bounds = { first: 0, most: 3 };

const prefetch = 2;

/** One message each; the carrier hands out no more fresh ones than `prefetch`. */
function fill(buffer: HintBuffer, kind: HintKind, count: number): void {
  for (let n = 1; n <= count; n += 1) {
    const ids = [requestIdOf(n, new Uint8Array(16))];
    buffer.add({ carrier: "rabbitmq", kind, ids, isLast: kind === "fresh" && n >= prefetch, done: () => {} });
  }
}

function take(buffer: HintBuffer, max: number): readonly HintKind[] {
  return buffer.take(max, bounds).map((hint) => {
    hint.done();
    return hint.kind;
  });
}

test("requests that failed before take the places that fresh ones leave free", () => {
  const buffer = new HintBuffer({ onRefilled: () => {}, keepsOrder: () => false });
  fill(buffer, "again", 5);
  fill(buffer, "fresh", 1);
  assert.deepEqual(take(buffer, 4), ["fresh", "again", "again", "again"]);
});

test("they wait while the broker, which handed out all that it may, can have more fresh ones, and no longer", async () => {
  const { promise: refilled, resolve } = Promise.withResolvers<void>();
  const buffer = new HintBuffer({ onRefilled: resolve, keepsOrder: () => false });
  fill(buffer, "again", 5);
  fill(buffer, "fresh", prefetch);
  assert.deepEqual(take(buffer, 2), ["fresh", "fresh"]);
  assert.deepEqual(take(buffer, 2), [], "the next fresh ones are on their way");
  fill(buffer, "fresh", 1);
  assert.deepEqual(take(buffer, 2), ["fresh"]);
  await refilled;
  assert.deepEqual(take(buffer, 2), ["again", "again"]);
});

test("one fresh request after the other does not keep them from the only place", () => {
  const buffer = new HintBuffer({ onRefilled: () => {}, keepsOrder: () => false });
  fill(buffer, "again", 5);
  for (let n = 0; n < 3; n += 1) {
    fill(buffer, "fresh", 1);
    assert.deepEqual(take(buffer, 1), ["fresh"]);
    assert.deepEqual(take(buffer, 1), ["again"]);
  }
});
