import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { handlerRequestOf, Reject, RetryLater } from "./handler.ts";

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

  it("may change and give away its bytes: they share no memory with another request's", () => {
    const body = new Uint8Array(8).fill(7);
    const request = handlerRequestOf({ ...stored, body });
    assert.equal(request.bytes, request.bytes);
    request.bytes[0] = 1;
    structuredClone(null, { transfer: [request.bytes.buffer as ArrayBuffer] });
    assert.deepEqual(body, new Uint8Array(8).fill(7));
  });

  it("knows the times that its sender asked for, if it did", () => {
    const body = new Uint8Array();
    const [plain, placed] = [{}, { notBefore: 1_000, expiresAt: 2_000 }].map((placement) =>
      handlerRequestOf({ ...stored, body, placement }),
    );
    assert.deepEqual([plain?.notBefore, plain?.expires], [undefined, undefined]);
    assert.deepEqual([placed?.notBefore, placed?.expires], [new Date(1_000), new Date(2_000)]);
    assert.equal(handlerRequestOf({ ...stored, body }).expires, undefined);
  });

  it("takes a delay in words or milliseconds", () => {
    assert.equal(new RetryLater("5m").delayMs, 300_000);
    assert.equal(new RetryLater(20).delayMs, 20);
  });
});
