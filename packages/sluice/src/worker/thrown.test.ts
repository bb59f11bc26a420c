import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { messageBytesMax } from "../core/stored-text.ts";
import { Reject, RetryLater } from "./handler.ts";
import { failureOf } from "./thrown.ts";

const fail = (): never => assert.fail("a getter throws");

describe("what a handler throws", () => {
  it("is a counted failure that is tried again", () => {
    assert.deepEqual(failureOf(new TypeError("broken")), {
      code: "handler-threw",
      message: "broken",
      isRetryable: true,
      isCounted: true,
      retryAfterMs: undefined,
    });
  });

  it("may be a verdict of another copy of the package", async () => {
    const copy = (await import(`./handler.ts?copy=${process.pid}`)) as typeof import("./handler.ts");
    assert.notEqual(copy.Reject, Reject);
    assert.equal(failureOf(new copy.Reject("no such sku")).code, "rejected");
    assert.equal(failureOf(new copy.RetryLater("1s")).retryAfterMs, 1_000);
  });

  it("puts off by whole milliseconds", () => {
    const failure = failureOf(new RetryLater(1500.5));
    assert.deepEqual([failure.code, failure.retryAfterMs, failure.isCounted], ["retry-later", 1501, false]);
  });

  for (const delay of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300]) {
    it(`is a failed attempt when it puts off by ${delay} ms`, () => {
      const failure = failureOf(new RetryLater(delay));
      assert.deepEqual([failure.code, failure.retryAfterMs, failure.isCounted], ["handler-threw", undefined, true]);
      assert.match(failure.message, /^RetryLater takes a delay from 0 ms to a year, got /);
    });
  }

  const odd: readonly (readonly [string, unknown, string])[] = [
    ["nothing", undefined, "handler-threw"],
    ["an empty text", "", "handler-threw"],
    ["a message that is a list", Object.assign(new Error("x"), { message: [1] }), "handler-threw"],
    ["a message that throws", Object.defineProperty(new Reject("x"), "message", { get: fail }), "rejected"],
    ["a delay that throws", Object.defineProperty(new RetryLater(1), "delayMs", { get: fail }), "handler-threw"],
    ["a delay that is none", Object.assign(new RetryLater(1), { delayMs: "1s" }), "handler-threw"],
    ["a proxy that throws", new Proxy(new Reject("x"), { get: fail, getPrototypeOf: fail }), "handler-threw"],
    ["no prototype", Object.create(null), "handler-threw"],
    ["four megabytes", new Reject("x".repeat(4_000_000)), "rejected"],
  ];
  for (const [name, thrown, code] of odd) {
    it(`has a sentence: ${name}`, () => {
      const failure = failureOf(thrown);
      assert.equal(failure.code, code);
      assert.ok(typeof failure.message === "string" && failure.message !== "");
      assert.ok(failure.message.length <= messageBytesMax);
    });
  }
});
