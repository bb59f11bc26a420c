import assert from "node:assert/strict";
import { test } from "node:test";
import { SluiceError, errorCodes, invariant, messageOf, type ErrorCode } from "./errors.ts";

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

test("a broken invariant stops with what does not hold", () => {
  invariant(true, "never seen");
  assert.throws(() => invariant(false, "accepted >= done"), {
    code: "internal",
    message: "broken invariant: accepted >= done",
  });
});
