import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { SluiceError } from "../core/errors.ts";
import { elementBytes, memberBytes } from "./json-member.ts";
import { parseBatchLine, splitLines } from "./ndjson.ts";

function parse(text: string, bodyBytesMax = 1_000): ReturnType<typeof parseBatchLine> {
  return parseBatchLine({ line: 7, bytes: Buffer.from(text) }, bodyBytesMax);
}

describe("the lines of a batch", () => {
  test("are split at newlines; blank ones count and are left out", () => {
    const lines = [...splitLines(Buffer.from("a\n\n \r\nb\r\nc"))];
    assert.deepEqual(
      lines.map(({ line, bytes }) => [line, bytes.toString().trim()]),
      [
        [1, "a"],
        [4, "b"],
        [5, "c"],
      ],
    );
  });

  test("keep a JSON body as it was written", () => {
    const { key, contentType, body } = parse('{ "body" : {"n": 1.0,"big":12345678901234567890 } , "key":"k"}');
    assert.equal(key, "k");
    assert.equal(contentType, "application/json");
    assert.equal(Buffer.from(body).toString(), '{"n": 1.0,"big":12345678901234567890 }');
  });

  test("take bytes in base64", () => {
    const { contentType, body } = parse('{"bodyBase64":"AAH/","contentType":"a/b"}');
    assert.equal(contentType, "a/b");
    assert.deepEqual([...body], [0, 1, 255]);
  });

  test("name themselves in an error", () => {
    for (const text of [
      "nope",
      "[]",
      "{}",
      '{"body":1,"x":1}',
      '{"bodyBase64":"a","contentType":"a/b"}',
      '{"bodyBase64":"","contentType":7}',
    ]) {
      assert.throws(
        () => parse(text),
        (error) => error instanceof SluiceError && error.code === "bad-batch-line" && error.fields?.["line"] === 7,
      );
    }
  });

  test("that are not UTF-8 are refused", () => {
    const bytes = Buffer.from([...Buffer.from('{"body":"'), 0xff, ...Buffer.from('"}')]);
    assert.throws(() => parseBatchLine({ line: 1, bytes }, 1_000), /UTF-8/);
  });

  test("obey the bound of a body", () => {
    parse('{"body":"12345678"}', 10);
    assert.throws(
      () => parse('{"body":"123456789"}', 10),
      (error) => error instanceof SluiceError && error.code === "body-too-large",
    );
  });
});

test("a member's text is what JSON.parse reads, for any JSON and any spacing", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
      fc.jsonValue(),
      fc.constantFrom(0, 1, "\t"),
      (others, body, space) => {
        const text = JSON.stringify({ ...others, body }, null, space);
        assert.deepEqual(JSON.parse(String(memberBytes(Buffer.from(text), "body"))), JSON.parse(JSON.stringify(body)));
      },
    ),
  );
});

test("the elements of an array are what JSON.parse reads, for any JSON and any spacing", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom(0, 1, "\t"), (values, space) => {
      const json = Buffer.from(JSON.stringify(values, null, space));
      const elements = [...elementBytes(json)].map((bytes) => JSON.parse(String(bytes)));
      assert.deepEqual(elements, JSON.parse(JSON.stringify(values)));
    }),
  );
});

test("of several members of one name the last counts, however it is written", () => {
  assert.equal(String(memberBytes(Buffer.from('{"body":1,"b\\u006fdy":[2,"]"]}'), "body")), '[2,"]"]');
  assert.equal(memberBytes(Buffer.from('{"a":{"body":1}}'), "body"), undefined);
});
