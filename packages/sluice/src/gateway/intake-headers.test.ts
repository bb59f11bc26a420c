import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isIdempotencyKey } from "../core/idempotency-key.ts";
import { bodyEventKey } from "./cloud-event.ts";
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

test("one event has one key in binary and in structured mode, and alone in a batch", () => {
  for (const [source, id, header] of [
    ["/orders", "1", "/orders"],
    ["https://example.com/a?b=c#d", "A 1", "https://example.com/a?b=c#d"],
    ['50% of "Füße" €', "1", "50%25%20of%20%22F%C3%BC%C3%9Fe%22%20%E2%82%AC"],
  ] as const) {
    const event = { specversion: "1.0", type: "t", source, id };
    const binary = keyOf({ "ce-source": header, "ce-id": id.replaceAll(" ", "%20") });
    assert.ok(binary !== undefined);
    assert.equal(bodyEventKey("application/cloudevents+json; charset=utf-8", bytesOf(event)), binary);
    assert.equal(bodyEventKey("application/CloudEvents-batch+JSON", bytesOf([event])), binary);
  }
});

test("a batch of events that is one request has a key over all of them", () => {
  const [one, two] = [
    { source: "s", id: "1" },
    { source: "s", id: "2" },
  ];
  const key = bodyEventKey(batchType, bytesOf([one, two]));
  assert.ok(key !== undefined && isIdempotencyKey(key));
  assert.equal(bodyEventKey(batchType, bytesOf([{ ...one, data: 1 }, two])), key);
  assert.notEqual(bodyEventKey(batchType, bytesOf([two, one])), key);
  assert.notEqual(bodyEventKey(batchType, bytesOf([one])), key);
});

test("what is no event, or not whole, has no key, and no value breaks the look", () => {
  const type = "application/cloudevents+json";
  for (const value of [null, 7, "x", [], {}, { source: "s" }, { source: "s", id: 7 }, { source: "", id: "1" }])
    assert.equal(bodyEventKey(type, bytesOf(value)), undefined);
  for (const value of [null, {}, [], [null], [{ source: "s", id: "1" }, {}]])
    assert.equal(bodyEventKey(batchType, bytesOf(value)), undefined);
  assert.equal(bodyEventKey(type, Buffer.from("{")), undefined);
  assert.equal(bodyEventKey("application/json", bytesOf({ source: "s", id: "1" })), undefined);
  assert.equal(bodyEventKey("application/cloudevents+jsonx", bytesOf({ source: "s", id: "1" })), undefined);
  const lone = bodyEventKey(type, Buffer.from(String.raw`{"source":"\ud800","id":"\u0000"}`));
  assert.ok(lone !== undefined && isIdempotencyKey(lone));
});

const batchType = "application/cloudevents-batch+json";

function bytesOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

test("nothing travels when there is nothing to travel", () => {
  assert.equal(travellingHeaders({ host: "a", "content-type": "b" }), undefined);
});
