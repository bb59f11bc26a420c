import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { bodyHash, header, json, type JsonOptions, query, type SourceConfig } from "../../config/front-values.ts";
import { readSource } from "../../config/read-source.ts";
import { SluiceError } from "../../core/errors.ts";
import { sourceOf, type KeyedCall } from "./key-source.ts";

function keyOf(config: SourceConfig, call: Partial<KeyedCall>): string | undefined {
  const source = readSource("key", config);
  assert.ok(source);
  return sourceOf(source)({ headers: {}, path: "/", body: new Uint8Array(), ...call });
}

function refused(code: string, read: () => unknown, message = /./): void {
  assert.throws(read, (error) => {
    assert.ok(error instanceof SluiceError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

function jsonKey(pointer: string, body: string, options?: JsonOptions): string | undefined {
  return keyOf(json(pointer, options), { body: Buffer.from(body) });
}

describe("a header", () => {
  const at = (value: string): string | undefined =>
    keyOf(header("X-GitHub-Delivery"), { headers: { "x-github-delivery": value } });

  test("is a key as an Idempotency-Key is: bare, or a string in quotes", () => {
    assert.equal(at("72d3162e-cc78-11e3-81ab-4c9367dc0958"), "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert.equal(at('"a b"'), "a b");
  });

  test("that is missing gives none; one that is no key, or came twice, is refused", () => {
    assert.equal(keyOf(header("x-id"), {}), undefined);
    for (const value of ["a, b", "é", "a".repeat(256), "\u0007"])
      refused("bad-key", () => at(value), /x-github-delivery/);
  });

  test("is never one of the methods that all objects have", () => {
    assert.equal(keyOf(header("constructor"), {}), undefined);
    assert.equal(keyOf(header("__proto__"), {}), undefined);
  });
});

describe("a query parameter", () => {
  const at = (path: string): string | undefined => keyOf(query("id"), { path });

  test("is decoded as forms are", () => {
    assert.equal(at("/a?x=1&id=a%20b+c%2B"), "a b c+");
    assert.equal(at("/a?x=1"), undefined);
    assert.equal(at("/id=1"), undefined);
  });

  test("that is no key, or is there twice, is refused", () => {
    for (const path of ["/?id=", "/?id=%FF", "/?id=%C3%A9", `/?id=${"a".repeat(256)}`, "/?id=%00"])
      refused("bad-key", () => at(path), /"id"/);
    refused("bad-request", () => at("/?id=1&id=1"), /more than once/);
  });
});

describe("a JSON pointer", () => {
  test("finds texts, numbers and booleans", () => {
    const body = ' { "a/b" : {"~":["x", {"n": 7}]}, "t":true, "":"empty", "s": "\\u0041\\/" }\r\n';
    assert.equal(jsonKey("/a~1b/~0/0", body), "x");
    assert.equal(jsonKey("/a~1b/~0/1/n", body), "7");
    assert.equal(jsonKey("/t", body), "true");
    assert.equal(jsonKey("/", body), "empty");
    assert.equal(jsonKey("/s", body), "A/");
    assert.equal(jsonKey("", ' "whole" '), "whole");
    assert.equal(jsonKey("/1", "[1,2]"), "2");
  });

  // https://www.rfc-editor.org/rfc/rfc6901#section-5
  test("finds what the examples of RFC 6901 find", () => {
    const body = String.raw`{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}`;
    const found = ["/foo/0", "/", "/a~1b", "/c%d", "/e^f", "/g|h", "/i\\j", '/k"l', "/ ", "/m~0n"];
    assert.deepEqual(
      found.map((pointer) => jsonKey(pointer, body)),
      ["bar", "0", "1", "2", "3", "4", "5", "6", "7", "8"],
    );
  });

  test("takes the digits of a number that were sent", () => {
    const at = (number: string): string | undefined => jsonKey("/id", `{"id": ${number} }`);
    for (const number of [
      "9007199254740993",
      "9007199254740992",
      "1.10",
      "1e400",
      "-0",
      "123456789012345678901234567890",
    ])
      assert.equal(at(number), number);
  });

  test("that finds nothing is refused, and named, unless it is optional", () => {
    const bodies = [
      "{}",
      '{"id":null}',
      '{"id":{"a":1}}',
      '{"id":[1]}',
      "[1]",
      '"id"',
      "",
      "nope",
      '{"id":1',
      '{"id":1x}',
      '{"id":"a\nb"}',
      '{"id":nope}',
      '{"ID":1}',
      '{"a":{"id":1}}',
      '{"id":1}}',
      "\ufeff{}",
      "null",
    ];
    for (const body of bodies) {
      refused("bad-request", () => jsonKey("/id", body), /"\/id"/);
      assert.equal(jsonKey("/id", body, { optional: true }), undefined, body);
    }
    for (const pointer of ["/id/1", "/id/-", "/id/length", "/id/00", "/id/0/0", "/__proto__", "/constructor/name"])
      refused("bad-request", () => jsonKey(pointer, '{"id":["a"]}'));
  });

  test("that could find two values is refused, even if it is optional", () => {
    for (const body of ['{"id":1,"id":2}', '{"id":1,"x":0,"\\u0069d":1}', '{"a":{"id":1},"a":{}}']) {
      const pointer = body.includes('"a"') ? "/a/id" : "/id";
      refused("bad-request", () => jsonKey(pointer, body), /more than once/);
      refused("bad-request", () => jsonKey(pointer, body, { optional: true }), /more than once/);
    }
    assert.equal(jsonKey("/id", '{"x":1,"id":3,"x":2,"y":{"id":1}}'), "3");
  });

  test("to what is no key is refused", () => {
    for (const id of ['""', '"é"', '"\\u0000"', '"\\ud800"', `"${"a".repeat(256)}"`, "1".repeat(256)])
      refused("bad-key", () => jsonKey("/id", `{"id":${id}}`), /"\/id"/);
    refused("bad-key", () => keyOf(json("/id"), { body: Buffer.from([...Buffer.from('{"id":"'), 0xff, 0x22, 0x7d]) }));
  });

  test("reads deep and wide bodies without a stack or a tree of them", () => {
    const deep = `{"x":${"[".repeat(500_000)}${"]".repeat(500_000)},"id":"a"}`;
    assert.equal(jsonKey("/id", deep), "a");
    assert.equal(jsonKey("/id", `{${'"x":1,'.repeat(99_999)}"id":"a"}`), "a");
    refused("bad-request", () => jsonKey("/id", `{"id":"a"${',"x":1'.repeat(100_000)}}`), /over 100000 members/);
    refused("bad-request", () => jsonKey("/id", `{"x":${"[".repeat(500_000)}`));
  });

  test("finds in any JSON what JSON.parse finds", () => {
    const member = fc.oneof(fc.constantFrom("id", "a/b", "~", "", '"', "\\", "é", "0"), fc.string());
    const scalar = fc.oneof(fc.string({ minLength: 1 }), fc.integer(), fc.boolean());
    const path = fc.array(member, { minLength: 1, maxLength: 5 });
    const property = fc.property(path, scalar, fc.jsonValue(), fc.nat(3), (names, value, other, spaces) => {
      const tree = names.reduceRight<unknown>((inner, name) => ({ [`${name}!`]: other, [name]: inner }), value);
      const pointer = names.map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
      assert.equal(jsonKey(pointer, JSON.stringify(tree, undefined, spaces)), String(value));
    });
    fc.assert(property, { numRuns: 300 });
  });
});

test("the hash of a body is its SHA-256 in hex", () => {
  const body = Buffer.from([0, 255, 10]);
  assert.equal(keyOf(bodyHash(), { body }), createHash("sha256").update(body).digest("hex"));
  assert.equal(keyOf(bodyHash(), {}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});
