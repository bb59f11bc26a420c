import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { contentOf, handlerRequestOf, isReject, isRetryLater, Reject, RetryLater } from "./handler.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

describe("what a handler returns", () => {
  const cases: readonly (readonly [string, unknown, string, string])[] = [
    ["an object as JSON", { total: 12 }, "application/json", '{"total":12}'],
    ["a list as JSON", [1, 2], "application/json", "[1,2]"],
    ["nothing as JSON null", undefined, "application/json", "null"],
    ["a string as text", "grüß", "text/plain; charset=utf-8", "grüß"],
    ["bytes as bytes", new Uint8Array([104, 105]), "application/octet-stream", "hi"],
    ["a typed body as itself", { body: "<p>", contentType: "text/html" }, "text/html", "<p>"],
    ["typed bytes as themselves", { body: Buffer.from("x"), contentType: "image/png" }, "image/png", "x"],
    [
      "an object that only looks typed as JSON",
      { body: 1, contentType: "a/b" },
      "application/json",
      '{"body":1,"contentType":"a/b"}',
    ],
  ];
  for (const [name, value, contentType, bytes] of cases) {
    it(`keeps ${name}`, () => {
      const content = contentOf(value);
      assert.equal(content.contentType, contentType);
      assert.equal(text(content.bytes), bytes);
    });
  }
});

describe("what a handler gets", () => {
  const stored = {
    id: "x",
    queue: "q",
    key: undefined,
    contentType: "application/json",
    headers: undefined,
    acceptedAt: 0,
  } as unknown as Parameters<typeof handlerRequestOf>[0];

  it("reads the body as text and as JSON", () => {
    const request = handlerRequestOf({ ...stored, body: Buffer.from('{"sku":7}') });
    assert.equal(request.text(), '{"sku":7}');
    assert.deepEqual(request.json(), { sku: 7 });
  });

  it("rejects a body that is not JSON: trying again cannot help", () => {
    assert.throws(() => handlerRequestOf({ ...stored, body: Buffer.from("{") }).json(), Reject);
  });

  it("may throw the verdicts of another copy of the package", async () => {
    const copy = (await import(`./handler.ts?copy=${process.pid}`)) as typeof import("./handler.ts");
    assert.notEqual(copy.Reject, Reject);
    assert.ok(isReject(new copy.Reject("no such sku")));
    assert.ok(isRetryLater(new copy.RetryLater("1s")));
    assert.ok(!isReject(new copy.RetryLater("1s")) && !isReject(new Error("plain")));
  });

  it("takes a delay in words or milliseconds", () => {
    assert.equal(new RetryLater("5m").delayMs, 300_000);
    assert.equal(new RetryLater(20).delayMs, 20);
  });
});
