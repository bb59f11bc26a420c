import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { SluiceError } from "../core/errors.ts";
import { elementsOf, membersOf } from "./json-member.ts";
import { parseBatchEvent, parseBatchLine, splitEvents, splitLines } from "./ndjson.ts";

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

  test("are found behind millions of blank ones at once", () => {
    const bytes = Buffer.from(`${"\n".repeat(32 * 1024 ** 2)}\u0001{}`);
    const before = process.cpuUsage();
    const [found] = splitLines(bytes);
    const { user, system } = process.cpuUsage(before);
    assert.deepEqual([found?.line, String(found?.bytes)], [32 * 1024 ** 2 + 1, "\u0001{}"]);
    assert.ok(user + system < 500_000, `it took ${(user + system) / 1_000} ms`);
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

function parsed(json: Buffer): unknown {
  return JSON.parse(String(json));
}

test("the members of an object are what JSON.parse reads, for any JSON and any spacing", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
      fc.jsonValue(),
      fc.constantFrom(0, 1, "\t"),
      (others, body, space) => {
        const text = JSON.stringify({ ...others, body }, null, space);
        const members = [...membersOf(Buffer.from(text))].map(({ name, value }) => [parsed(name), parsed(value)]);
        assert.deepEqual(Object.fromEntries(members), JSON.parse(text));
      },
    ),
  );
});

test("the elements of an array are what JSON.parse reads, for any JSON and any spacing", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom(0, 1, "\t"), (values, space) => {
      const json = Buffer.from(JSON.stringify(values, null, space));
      const elements = [...elementsOf(json)].map(parsed);
      assert.deepEqual(elements, JSON.parse(JSON.stringify(values)));
    }),
  );
});

test("of several members of one name the last counts, however it is written", () => {
  assert.equal(String(parse('{"body":1,"b\\u006fdy":[2,"]"]}').body), '[2,"]"]');
});

const deep = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

function refusal(act: () => unknown): SluiceError {
  try {
    act();
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error("it was taken");
}

describe("a line that would be dear to parse is refused before it is parsed", () => {
  const mebibyte = 1024 ** 2;
  for (const [what, text, code] of [
    ["a nested body over the bound", `{"body":${deep(2 * mebibyte)}}`, "body-too-large"],
    ["a wide body over the bound", `{"body":[${"{},".repeat(2 * mebibyte)}0]}`, "body-too-large"],
    [
      "a body in base64 over the bound",
      `{"contentType":"a/b","bodyBase64":"${"AAAA".repeat(mebibyte)}"}`,
      "body-too-large",
    ],
    ["a nested body within the bound", `{"body":${deep(mebibyte / 2)}}`, "bad-batch-line"],
    ["a nested body that does not end", `{"body":${"[".repeat(4 * mebibyte)}`, "bad-batch-line"],
    ["text that does not end", `{"body":"${"\\".repeat(4 * mebibyte)}`, "bad-batch-line"],
    ["a nested key", `{"key":${deep(2 * mebibyte)},"body":1}`, "bad-key"],
    ["a wide callback", `{"body":1,"callback":[${"{},".repeat(2 * mebibyte)}0]}`, "bad-callback"],
    ["a nested field of another name", `{"x":${deep(2 * mebibyte)},"body":1}`, "bad-batch-line"],
    ["one field again and again", `{${'"body":1,'.repeat(mebibyte)}"body":1}`, "bad-batch-line"],
    ["an array", `[${"{},".repeat(2 * mebibyte)}0]`, "bad-batch-line"],
  ] as const) {
    test(what, () => {
      const bytes = Buffer.from(text);
      const before = process.cpuUsage();
      const error = refusal(() => parseBatchLine({ line: 7, bytes }, mebibyte));
      const { user, system } = process.cpuUsage(before);
      assert.equal(error.code, code, error.message);
      assert.equal(error.fields?.["line"], 7);
      assert.ok(user + system < 500_000, `it took ${(user + system) / 1_000} ms`);
    });
  }

  test("and says how deep a body may be nested", () => {
    parse(`{"body":${deep(1_000)}}`, 10_000);
    const { message } = refusal(() => parse(`{"body":${deep(1_001)}}`, 10_000));
    assert.equal(message, "line 7: its body must be JSON: it may be nested at most 1000 levels deep");
    parse(`{"body":"${"[{".repeat(2_000)}"}`, 10_000); // brackets in text are no levels
    parse(`{"body":[${"[],{},".repeat(2_000)}0]}`, 20_000); // nor are those that closed
  });

  test("an event in base64 as well", () => {
    const bodyBase64 = Buffer.from(`{"id":"1","source":"s","data":${deep(2_000)}}`).toString("base64");
    const contentType = "application/cloudevents+json";
    const error = refusal(() => parse(JSON.stringify({ contentType, bodyBase64 }), 10_000));
    assert.equal(error.code, "bad-batch-line");
    assert.equal(error.fields?.["line"], 7);
    parse(JSON.stringify({ key: "k", contentType, bodyBase64 }), 10_000); // with a key it is not parsed
  });

  test("a batch of events stops at the first that is over a bound, with the rest unread", () => {
    const events = splitEvents(Buffer.from(`[{}, ${"{},".repeat(2 * mebibyte)}`));
    assert.equal(events.next().value?.line, 1);
    assert.equal(events.next().value?.line, 2);
    const [event] = splitEvents(Buffer.from(`[{"id":"1","source":"s","data":${deep(2_000)}}]`));
    assert.ok(event);
    assert.match(refusal(() => parseBatchEvent(event, 10_000)).message, /1000 levels/);
    assert.equal(refusal(() => parseBatchEvent(event, 1_000)).code, "body-too-large");
  });
});

test("a line is read exactly when JSON.parse reads it", () => {
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    '"body"',
    '"key"',
    '"k"',
    "\\",
    "\\u0062",
    "1",
    "-",
    "true",
    " ",
    "\t",
    "\u0001",
    "\u00a0",
    "\ufeff",
  ];
  const texts = fc.oneof(
    fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => `{"body":1${parts.join("")}`),
    fc.array(fc.constantFrom(...pieces), { maxLength: 5 }).map((parts) => `{"body":${parts.join("")}}`),
    fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      assert.equal(
        isTaken(() => parse(text)),
        isTaken(() => readOf(text)),
        text,
      );
    }),
    { numRuns: 5_000 },
  );
});

test("of a field that a line has twice, the first must be JSON too", () => {
  assert.equal(Buffer.from(parse('{"body":1,"body":2}').body).toString(), "2");
  for (const first of ["", "x", "[1"])
    assert.match(refusal(() => parse(`{"body":${first},"body":true}`)).message, /^line 7: /);
  const large = JSON.stringify("x".repeat(1_000));
  assert.equal(refusal(() => parse(`{"body":${large},"body":true}`)).code, "body-too-large");
});

test("events are read exactly when JSON.parse reads them", () => {
  const pieces = ["{}", "{", "}", "[", "]", ",", '"a":1', '{"id":"]"}', " ", "\u0001", "1"];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 7 }), (parts) => {
      const text = `[${parts.join("")}]`;
      const taken = isTaken(() => [...splitEvents(Buffer.from(text))].map((event) => parseBatchEvent(event, 1_000)));
      assert.equal(
        taken,
        isTaken(() => eventsOf(text)),
        text,
      );
    }),
    { numRuns: 5_000 },
  );
});

function isTaken(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}

function readOf(text: string): void {
  const { key, ...rest } = JSON.parse(text);
  assert.deepEqual(Object.keys(rest), ["body"]);
  assert.ok(key === undefined || (typeof key === "string" && /^[\x21-\x7e]+$/.test(key)));
}

function eventsOf(text: string): void {
  for (const event of JSON.parse(text)) assert.ok(typeof event === "object" && event !== null && !Array.isArray(event));
}
