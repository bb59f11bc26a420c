import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { connectionNames, headerRule } from "./header-names.ts";

test("a list has its names, and what its patterns match", () => {
  const has = headerRule(["X-GitHub-*", "*-id", "x-a*z", "Date"], "headers");
  for (const name of ["x-github-event", "x-github-", "request-id", "-id", "x-az", "x-abcz", "date"])
    assert.ok(has(name), name);
  for (const name of ["x-github", "github", "id", "x-a", "dates", "date-x", ""]) assert.ok(!has(name), name);
  assert.ok(headerRule(["*"], "headers")("anything"));
  assert.ok(!headerRule([], "headers")("anything"));
});

test("both ends of a pattern must fit beside each other", () => {
  assert.ok(!headerRule(["aba*aba"], "headers")("aba"));
  assert.ok(!headerRule(["aba*aba"], "headers")("ababa"));
  assert.ok(headerRule(["aba*aba"], "headers")("abaaba"));
});

test("a pattern matches as the regular expression that it stands for", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 4 });
  fc.assert(
    fc.property(letters, letters, fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 9 }), (start, end, name) => {
      assert.equal(headerRule([`${start}*${end}`], "headers")(name), new RegExp(`^${start}.*${end}$`).test(name));
    }),
  );
});

test("a list that is none is refused, naming the place and the value", () => {
  const wrong = ["", "a b", "a:", "a\r\nb: c", "é", "x-*-*", "**", "a".repeat(201), "a,b", "a\0"];
  for (const pattern of wrong) {
    assert.throws(() => headerRule(["fine", pattern], "front.headers"), {
      code: "bad-config",
      message: /^front\.headers takes/,
    });
  }
  assert.throws(() => headerRule(Array.from<string>({ length: 101 }).fill("a"), "headers"), { code: "bad-config" });
});

test("a Connection field names fields of its connection", () => {
  assert.equal(connectionNames(["Host", "b", "connection", "Keep-Alive", "Connection", "close"]), undefined);
  assert.deepEqual(
    connectionNames(["CONNECTION", "close, X-A ,,x-b", "a", "b", "Connection", "x-c"]),
    new Set(["close", "x-a", "", "x-b", "x-c"]),
  );
});
