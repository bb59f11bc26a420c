import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import * as client from "../../../client/src/content.ts";
import { contentOf } from "./content.ts";
import { progressOf, resultOf } from "./result.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const octets = "application/octet-stream";
const json = "application/json";

class Empty {
  #n = 1;
  next(): number {
    return (this.#n += 1);
  }
}

describe("what a handler returns", () => {
  const kept: readonly (readonly [string, unknown, string, string])[] = [
    ["an object as JSON", { total: 12 }, json, '{"total":12}'],
    ["a list as JSON", [1, 2], json, "[1,2]"],
    ["nothing as JSON null", undefined, json, "null"],
    ["what JSON leaves out of objects, left out", { a: undefined, b: () => 1, c: {} }, json, '{"c":{}}'],
    ["a date as JSON has it", { at: new Date(0) }, json, '{"at":"1970-01-01T00:00:00.000Z"}'],
    ["empty objects of a class", { a: new Empty(), b: Object.create(null) }, json, '{"a":{},"b":{}}'],
    ["a typed array in an object", { a: new Uint8Array([1]), b: new Uint8Array(0) }, json, '{"a":{"0":1},"b":{}}'],
    ["a string as text", "grüß", "text/plain; charset=utf-8", "grüß"],
    ["bytes as bytes", new Uint8Array([104, 105]), octets, "hi"],
    ["a part of bytes", Buffer.from("ship").subarray(1, 3), octets, "hi"],
    ["a buffer as bytes", new Uint8Array([104, 105]).buffer, octets, "hi"],
    ["shared bytes as bytes", new Uint8Array(new SharedArrayBuffer(2)).fill(104), octets, "hh"],
    ["any view as bytes", new Uint16Array([0x6968]), octets, "hi"],
    ["a data view as bytes", new DataView(new Uint8Array([104, 105]).buffer, 1), octets, "i"],
    ["a blob with its type", new Blob(["hi"], { type: "text/csv" }), "text/csv", "hi"],
    ["a file without a type", new File(["hi"], "a"), octets, "hi"],
    [
      "parameters as a form",
      new URLSearchParams({ a: "ü" }),
      "application/x-www-form-urlencoded;charset=UTF-8",
      "a=%C3%BC",
    ],
    ["a typed body as itself", { body: "<p>", contentType: "text/html" }, "text/html", "<p>"],
    ["typed bytes as themselves", { body: Buffer.from("x"), contentType: "image/png" }, "image/png", "x"],
    [
      "an error that writes itself",
      { error: Object.assign(new Error("x"), { code: "E", toJSON: () => ({ message: "x" }) }) },
      json,
      '{"error":{"message":"x"}}',
    ],
    ["an object that only calls itself a map", { [Symbol.toStringTag]: "Map", a: 1 }, json, '{"a":1}'],
    ["a shared buffer", new SharedArrayBuffer(2), "application/octet-stream", "\0\0"],
    [
      "an object that only looks typed as JSON",
      { body: 1, contentType: "a/b" },
      json,
      '{"body":1,"contentType":"a/b"}',
    ],
  ];
  for (const [name, value, contentType, bytes] of kept) {
    it(`is kept: ${name}`, async () => {
      const content = await resultOf(value);
      assert.equal(content.contentType, contentType);
      assert.equal(text(content.bytes), bytes);
    });
  }

  it("is kept as it was when it was returned", async () => {
    const buffer = new ArrayBuffer(4, { maxByteLength: 8 });
    const { bytes } = await resultOf(new Uint8Array(buffer));
    buffer.resize(8);
    assert.equal(bytes.byteLength, 4);
  });

  const circle: Record<string, unknown> = {};
  circle["circle"] = circle;
  const moved = new Uint8Array(4);
  structuredClone(null, { transfer: [moved.buffer] });
  const shrunk = new ArrayBuffer(4, { maxByteLength: 8 });
  const beyond = new Uint8Array(shrunk, 2, 2);
  shrunk.resize(1);
  const fail = (): never => assert.fail("a getter throws");
  const failed = Object.assign(new Error("x"), { code: "E" });
  const settled = [
    { status: "fulfilled", value: 1 },
    { status: "rejected", reason: failed },
  ];
  class NamedMap extends Map<string, number> {
    readonly name = "n";
  }
  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    ["a big integer", { n: 1n }, /cannot be written as JSON: .*BigInt/],
    ["a circle", circle, /cannot be written as JSON: .*circular/],
    ["a throwing toJSON", { toJSON: fail }, /cannot be written as JSON: a getter throws/],
    ["a toJSON of nothing", { toJSON: () => undefined }, /JSON would lose a value of type object/],
    ["a function", fail, /JSON would lose a value of type function/],
    ["a symbol", Symbol("s"), /JSON would lose a value of type symbol/],
    ["a map", new Map([[1, 2]]), /JSON would lose a value of type Map: convert it/],
    ["a set in a list", [new Set([1])], /JSON would lose "0", a value of type Set/],
    [
      "a promise that nobody awaited",
      { total: Promise.resolve(1) },
      /JSON would lose "total", a value of type Promise/,
    ],
    ["an error", new Error("x"), /JSON would lose a value of type Error/],
    ["an error with a code", Object.assign(new Error("x"), { code: "E" }), /a value of type Error/],
    ["an error in an object", { ok: false, error: new Error("x") }, /JSON would lose "error", a value of type Error/],
    ["an error with a code in an object", { error: failed }, /JSON would lose "error", a value of type Error/],
    ["what a settled promise gave", settled, /JSON would lose "reason", a value of type Error/],
    ["a map with a field", new NamedMap([["a", 1]]), /JSON would lose a value of type Map/],
    [
      "a set with a field",
      { tags: [Object.assign(new Set([1]), { name: "n" })] },
      /JSON would lose "0", a value of type Set/,
    ],
    ["what claims to be a buffer", { [Symbol.toStringTag]: "ArrayBuffer" }, /must be an ArrayBuffer/],
    ["what claims to be a shared buffer", { [Symbol.toStringTag]: "SharedArrayBuffer" }, /must be an ArrayBuffer/],
    ["a form", new FormData(), /a value of type FormData/],
    ["a response", new Response("x"), /a value of type Response/],
    ["a web stream", new Response("x").body, /a value of type ReadableStream/],
    ["a node stream", Readable.from(["x"]), /JSON would lose a stream/],
    ["a buffer in an object", { bytes: new ArrayBuffer(1) }, /JSON would lose "bytes", a value of type ArrayBuffer/],
    ["bytes that were moved", moved, /detached/],
    ["bytes that are gone", beyond, /detached|out of bounds|out-of-bounds/i],
    ["a type that is none", { body: "x", contentType: "HTML" }, /media type such as text\/html.*got "HTML"/],
    ["a type that is a range", { body: "x", contentType: "text/*" }, /got "text\/\*"/],
    ["a blob of an odd type", new Blob(["x"], { type: "odd" }), /got "odd"/],
    ["a throwing proxy", new Proxy({}, { get: fail }), /a getter throws/],
  ];
  for (const [name, value, why] of refused) {
    it(`is refused: ${name}`, async () => {
      await assert.rejects(async () => resultOf(value), { name: /TypeError|AssertionError/, message: why });
    });
  }

  it("is kept by the client's rule", async () => {
    const here = await readFile(new URL("content.ts", import.meta.url), "utf8");
    assert.equal(here, await readFile(new URL("../../../client/src/content.ts", import.meta.url), "utf8"));
    for (const [, value] of kept.filter(([, value]) => value !== undefined))
      assert.deepEqual(await client.contentOf(value), await contentOf(value));
  });
});

describe("what a handler reports", () => {
  const fail = (): never => assert.fail("a getter throws");
  const reports: readonly (readonly [unknown, unknown])[] = [
    [0.5, 0.5],
    [
      { done: 3, of: 7 },
      { done: 3, of: 7 },
    ],
    [undefined, null],
    [() => 1, null],
    [1n, "the reported progress cannot be written as JSON: Do not know how to serialize a BigInt"],
    [{ toJSON: fail }, "the reported progress cannot be written as JSON: a getter throws"],
    ["x".repeat(10_000), "a report of progress may have 8192 characters of JSON, this one has 10002"],
  ];
  for (const [reported, shown] of reports) {
    it(`is shown as ${JSON.stringify(shown).slice(0, 40)}`, () => assert.deepEqual(progressOf(reported), shown));
  }
});
