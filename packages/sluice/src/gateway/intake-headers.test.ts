import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isIdempotencyKey } from "../core/idempotency-key.ts";
import { keyOf, travellingHeaders } from "./intake-headers.ts";

const header = fc.string({
  minLength: 1,
  maxLength: 300,
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
});

test("the key of a CloudEvent is a valid key, and no other pair has it", () => {
  fc.assert(
    fc.property(header, header, header, header, (source, id, otherSource, otherId) => {
      const key = keyOf({ "ce-source": source, "ce-id": id });
      const other = keyOf({ "ce-source": otherSource, "ce-id": otherId });
      assert.ok(key !== undefined && isIdempotencyKey(key));
      assert.equal(key === other, source === otherSource && id === otherId);
    }),
  );
});

test("an Idempotency-Key goes before the CloudEvent's own, and half an event has none", () => {
  assert.equal(keyOf({ "idempotency-key": '"mine"', "ce-source": "s", "ce-id": "i" }), "mine");
  assert.equal(keyOf({ "ce-source": "s" }), undefined);
  assert.equal(keyOf({}), undefined);
});

test("nothing travels when there is nothing to travel", () => {
  assert.equal(travellingHeaders({ host: "a", "content-type": "b" }), undefined);
});
