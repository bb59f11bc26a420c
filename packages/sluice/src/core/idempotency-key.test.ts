import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { fingerprintOf, isIdempotencyKey, parseIdempotencyKey } from "./idempotency-key.ts";

const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
const anyKey = fc.string({ unit: visible, minLength: 1, maxLength: 255 });

test("a quoted key gives back what was quoted", () => {
  fc.assert(
    fc.property(anyKey, (key) => {
      const quoted = `"${key.replaceAll(/["\\]/g, "\\$&")}"`;
      assert.equal(parseIdempotencyKey(quoted), key);
      assert.equal(parseIdempotencyKey(` ${quoted}\t`), key);
    }),
  );
});

test("a bare key is taken as it is", () => {
  fc.assert(
    fc.property(anyKey, (key) => {
      fc.pre(!key.startsWith('"'));
      assert.equal(parseIdempotencyKey(key), key);
    }),
  );
});

test("quoted and bare are the same key", () => {
  assert.equal(parseIdempotencyKey('"order-12"'), parseIdempotencyKey("order-12"));
});

test("what parses is a key, whatever was sent", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (header) => {
      const key = parseIdempotencyKey(header);
      if (key !== undefined) assert.ok(isIdempotencyKey(key));
    }),
  );
});

test("a key has 1 to 255 characters", () => {
  assert.equal(parseIdempotencyKey(""), undefined);
  assert.equal(parseIdempotencyKey('""'), undefined);
  assert.equal(parseIdempotencyKey("k".repeat(255)), "k".repeat(255));
  assert.equal(parseIdempotencyKey("k".repeat(256)), undefined);
  assert.equal(parseIdempotencyKey(`"${"k".repeat(256)}"`), undefined);
});

test("only visible ASCII characters make a key", () => {
  for (const header of ["a b", "a\tb", "ä", "a\u0000", "a\u007f", '"a b"', "🔑"]) {
    assert.equal(parseIdempotencyKey(header), undefined, header);
  }
});

test("a quote that is not closed is malformed", () => {
  for (const header of ['"abc', '"', '"abc\\"', '"a"b"']) assert.equal(parseIdempotencyKey(header), undefined, header);
});

test("the fingerprint is the SHA-256 of the body and nothing else", () => {
  const body = Buffer.from('{"total":12}');
  assert.deepEqual(fingerprintOf(body), createHash("sha256").update(body).digest());
  assert.notDeepEqual(fingerprintOf(body), fingerprintOf(Buffer.from('{"total":13}')));
});
