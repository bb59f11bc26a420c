import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "./turns.ts";

test("one works at a time, in the order of asking, and an error is its caller's alone", async () => {
  const turns = new Turns();
  const log: string[] = [];
  const first = Promise.withResolvers<void>();
  const answers = [
    turns.inTurn(async () => {
      log.push("first begins");
      await first.promise;
      log.push("first ends");
    }),
    turns.inTurn(() => Promise.reject(new Error("second fails"))),
    turns.inTurn(() => Promise.resolve(log.push("third"))),
  ];
  first.resolve();
  const settled = await Promise.allSettled(answers);
  assert.deepEqual(log, ["first begins", "first ends", "third"]);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
});
