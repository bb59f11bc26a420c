import assert from "node:assert/strict";
import { test } from "node:test";
import { SluiceError, errorCodes, invariant, messageOf, type ErrorCode } from "./errors.ts";
import { messageBytesMax } from "./stored-text.ts";

const codes = Object.keys(errorCodes) as ErrorCode[];

test("every code is kebab-case and has an HTTP error status and a title", () => {
  for (const code of codes) {
    const { status, title } = errorCodes[code];
    assert.match(code, /^[a-z]+(-[a-z]+)*$/);
    assert.ok(status >= 400 && status <= 599, code);
    assert.match(title, /^[A-Z].*[^.]$/, code);
  }
});

test("exactly what is unavailable may be tried again", () => {
  for (const code of codes) {
    const error = new SluiceError(code, "why");
    assert.equal(error.isRetryable, errorCodes[code].consequence === "unavailable", code);
    assert.equal(error.consequence, errorCodes[code].consequence);
  }
});

test("an error keeps its cause, its Retry-After and its fields", () => {
  const cause = new Error("ENOSPC");
  const error = new SluiceError("disk-full", "no room", { cause, retryAfterSeconds: 5, fields: { freeBytes: 0 } });
  assert.equal(error.cause, cause);
  assert.equal(error.retryAfterSeconds, 5);
  assert.deepEqual(error.fields, { freeBytes: 0 });
  assert.equal("cause" in new SluiceError("disk-full", "no room"), false);
});

test("whatever was thrown has a message", () => {
  assert.equal(messageOf(new Error("broken")), "broken");
  assert.equal(messageOf(new TypeError("")), "TypeError");
  assert.equal(messageOf("plain"), "plain");
  assert.equal(messageOf(undefined), "undefined");
});

test("whatever was thrown has a message that may be stored", () => {
  const throwing = { get: () => assert.fail("its getter throws") };
  const hostile: readonly unknown[] = [
    null,
    Symbol("s"),
    10n,
    () => 1,
    [1, [2]],
    Object.create(null),
    { message: { deep: true } },
    Object.assign(new Error("x"), { message: ["a", "b"] }),
    Object.assign(new Error("x"), { message: Object.create(null) as unknown }),
    Object.defineProperty(new Error("x"), "message", throwing),
    new Proxy(new Error("x"), throwing),
    new Proxy({}, { getPrototypeOf: () => assert.fail("instanceof throws") }),
    { toString: () => 5 },
    { toString: () => "a\0\ud800" },
    new Error("x".repeat(100_000)),
  ];
  for (const thrown of hostile) {
    const message: unknown = messageOf(thrown);
    assert.ok(typeof message === "string" && message !== "" && message.isWellFormed() && !message.includes("\0"));
    assert.ok(message.length <= messageBytesMax);
  }
  assert.equal(messageOf({ message: "from another realm" }), "from another realm");
});

test("a broken invariant stops with what does not hold", () => {
  invariant(true, "never seen");
  assert.throws(() => invariant(false, "accepted >= done"), {
    code: "internal",
    message: "broken invariant: accepted >= done",
  });
});
