import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { bodyHashOf } from "./body-hash.ts";
import { fingerprintOf, isIdempotencyKey, parseIdempotencyKey } from "./idempotency-key.ts";

const printable = fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code));
const printableKey = fc.string({ unit: printable, minLength: 1, maxLength: 255 });
const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
const anyKey = fc.string({ unit: visible, minLength: 1, maxLength: 255 });

test("a quoted key gives back what was quoted", () => {
  fc.assert(
    fc.property(printableKey, (key) => {
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

// RFC 9651. The cases of the working group's test suite that concern strings (string.json) and parameters (param-list.json).
test("a quoted key is a structured-field string: spaces and two escapes inside, parameters after it", () => {
  for (const [header, key] of [
    ['"foo bar"', "foo bar"], // basic string
    ['"   "', "   "], // whitespace string
    [String.raw`"foo \"bar\" \\ baz"`, String.raw`foo "bar" \ baz`], // string quoting
    ['  "1"  ', "1"], // leading and trailing space
    ['"abc";a=1;b=2; cdef_456', "abc"], // basic parameterised list
    ['"abc";q=1.0', "abc"],
    ['"abc";a;q=1.0', "abc"], // missing parameter value
    ['"abc";q=1.0;a', "abc"],
    ['"abc";q=0.5;  charset=utf-8', "abc"], // extra whitespace
    ['"abc";b=1;c=2;b=3', "abc"], // duplicate parameter
    [String.raw`"abc";r="+w;\"";t=*a/b:c;n=-12.5;d=@1659578233;y=:aGVsbG8=:;f=?0;p=%"f%c3%bc"`, "abc"],
  ] as const)
    assert.equal(parseIdempotencyKey(header), key, header);
  for (const header of [
    '"füü"', // non-ascii string
    '"\t"', // tab in string
    '" \n "', // newline in string
    '"foo', // unbalanced string
    String.raw`"foo \,"`, // bad string quoting
    '"foo \\"', // ending string quote
    '"foo \\', // abruptly ending string quote
    '"abc" ;q=0.5', // whitespace before ;
    '"abc";q =0.5', // whitespace before =
    '"abc";q= 0.5', // whitespace after =
    '"abc";b=1;', // trailing semicolon
    '"abc";b=1; ',
    '"abc";=1', // empty parameter key
    '"abc";',
    '"abc"; ',
    '"abc";A=1',
    '"abc";a=f\u00fc',
    '"abc", "def"',
    '"abc"x',
  ])
    assert.equal(parseIdempotencyKey(header), undefined, header);
  assert.equal(parseIdempotencyKey("'foo'"), "'foo'"); // single quoted: no string, so the bare key
});

test("no header takes long to read", () => {
  const startedAt = performance.now();
  for (const part of [";a", "; ", ';a="', "\\\\", ";a=b;", ";a=1"])
    assert.equal(parseIdempotencyKey(`"k"${part.repeat(8_000)}@`), undefined);
  assert.ok(performance.now() - startedAt < 1_000);
});

test("only visible ASCII characters make a bare key", () => {
  for (const header of ["a b", "a\tb", "ä", "a\u0000", "a\u007f", '"a\tb"', '"ä"', "🔑"]) {
    assert.equal(parseIdempotencyKey(header), undefined, header);
  }
});

test("a quote that is not closed is malformed", () => {
  for (const header of ['"abc', '"', '"abc\\"', '"a"b"']) assert.equal(parseIdempotencyKey(header), undefined, header);
});

test("the fingerprint is the SHA-256 of the body and nothing else, unless it is kept where the request was sent", () => {
  const body = Buffer.from('{"total":12}');
  const hash = bodyHashOf(body);
  assert.deepEqual(fingerprintOf(hash, {}), createHash("sha256").update(body).digest());
  const sent = [{}, { method: "PUT", path: "/a" }, { method: "POST", path: "/a" }, { method: "PUT", path: "/a?b" }];
  const prints = new Set(sent.map((head) => Buffer.from(fingerprintOf(hash, head)).toString("hex")));
  assert.equal(prints.size, sent.length);
});
