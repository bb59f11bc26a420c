import { deepEqual, equal } from "node:assert/strict";
import { boom, dead, done, request, textOf } from "./rig.ts";
import type { Check } from "./suite.ts";

export function settlingCases(check: Check): void {
  check("a result is kept byte for byte, over a crash", async (rig) => {
    const id = await rig.acceptOne();
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => 255 - byte);
    const { claim } = await rig.takeOne();
    equal(await rig.engine.settle(claim, { kind: "done", result: { contentType: "image/x", bytes } }), "settled");
    await rig.crash();
    const result = await rig.engine.readResult(id);
    equal(result?.contentType, "image/x");
    deepEqual(new Uint8Array(result.bytes), bytes);
    equal(await rig.stateOf(id), "done");
    await rig.assertNothingToDeliver();
  });

  check("the status and headers of a response are kept with it, over a crash", async (rig) => {
    const id = await rig.acceptOne();
    const head = { status: 201, headers: { etag: '"1"', "set-cookie": ["a=1", "b=2"] } };
    const result = { contentType: "text/plain", bytes: Buffer.from("made"), ...head };
    equal(await rig.engine.settle((await rig.takeOne()).claim, { kind: "done", result }), "settled");
    await rig.crash();
    const found = await rig.engine.readResult(id);
    equal(textOf(found), "made");
    deepEqual({ status: found?.status, headers: { ...found?.headers } }, head);
  });

  check("a dead request keeps the response that refused it, until it is replayed", async (rig) => {
    const id = await rig.acceptOne();
    const response = { status: 404, headers: {}, contentType: "text/plain", bytes: Buffer.from("no such sku") };
    equal(await rig.engine.settle((await rig.takeOne()).claim, { kind: "dead", failure: boom, response }), "settled");
    await rig.crash();
    const status = await rig.engine.read(id);
    equal(status?.state, "dead");
    equal(status.resultBytes, 11);
    const found = await rig.engine.readResult(id);
    equal(found?.status, 404);
    equal(textOf(found), "no such sku");
    await rig.engine.replay(id);
    equal(await rig.engine.readResult(id), undefined);
  });

  check("an empty result is a result", async (rig) => {
    const id = await rig.acceptOne();
    await rig.engine.settle((await rig.takeOne()).claim, done(""));
    equal((await rig.engine.readResult(id))?.bytes.byteLength, 0);
  });

  check("a done request tells its attempt and its times, and no next attempt", async (rig) => {
    const id = await rig.acceptOne();
    await rig.engine.settle((await rig.takeOne()).claim, done());
    const status = await rig.engine.read(id);
    equal(status?.attempts, 1);
    equal(status.lastError, undefined);
    equal(status.nextAttemptAt, undefined);
    const { acceptedAt, startedAt = 0, finishedAt = 0 } = status;
    equal(acceptedAt <= startedAt && startedAt <= finishedAt, true);
  });

  check("a dead request tells its error and has no result", async (rig) => {
    const id = await rig.acceptOne();
    equal(await rig.engine.settle((await rig.takeOne()).claim, dead), "settled");
    const status = await rig.engine.read(id);
    equal(status?.state, "dead");
    deepEqual({ ...status.lastError }, boom);
    equal(await rig.engine.readResult(id), undefined);
    await rig.assertNothingToDeliver();
  });

  check("the first outcome wins; a later one is superseded and changes nothing (I3)", async (rig) => {
    const id = await rig.acceptOne();
    const { claim } = await rig.takeOne();
    equal(await rig.engine.settle(claim, done("first")), "settled");
    equal(await rig.engine.settle(claim, done("second")), "superseded");
    equal(await rig.engine.settle(claim, dead), "superseded");
    equal(await rig.engine.retry(claim, { dueAt: 0, failure: boom, isCounted: true }), "superseded");
    const status = await rig.engine.read(id);
    equal(status?.state, "done");
    equal(status.attempts, 1);
    equal(status.lastError, undefined);
    equal(textOf(await rig.engine.readResult(id)), "first");
  });

  check("of concurrent outcomes exactly one is settled", async (rig) => {
    const id = await rig.acceptOne();
    const { claim } = await rig.takeOne();
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => rig.engine.settle(claim, done(String(n)))));
    equal(answers.filter((answer) => answer === "settled").length, 1);
    equal(textOf(await rig.engine.readResult(id)), String(answers.indexOf("settled")));
  });

  check("a claim is void once the request was handed back", async (rig) => {
    const id = await rig.acceptOne();
    const { claim: old } = await rig.takeOne();
    await rig.engine.retry(old, { dueAt: 0, isCounted: false });
    equal(await rig.engine.settle(old, done("late")), "superseded");
    equal(await rig.stateOf(id), "waiting");
    const { claim } = await rig.takeOne();
    equal(await rig.engine.settle(old, done("late")), "superseded");
    equal(await rig.stateOf(id), "running");
    equal(await rig.engine.settle(claim, done("in time")), "settled");
    equal(textOf(await rig.engine.readResult(id)), "in time");
  });

  check("a late settle or retry is refused after the claim moved in a crash", async (rig) => {
    const id = await rig.acceptOne();
    const { claim: old } = await rig.takeOne();
    await rig.crash();
    equal(await rig.engine.settle(old, done("late")), "superseded");
    const { claim } = await rig.takeOne();
    equal(await rig.engine.settle(old, dead), "superseded");
    equal(await rig.engine.retry(old, { dueAt: 0, failure: boom, isCounted: true }), "superseded");
    equal(await rig.stateOf(id), "running");
    equal(await rig.engine.settle(claim, done("in time")), "settled");
    const status = await rig.engine.read(id);
    equal(status?.attempts, 1);
    equal(textOf(await rig.engine.readResult(id)), "in time");
  });

  check("a claim from before a replay cannot settle the fresh attempts", async (rig) => {
    const id = await rig.acceptOne();
    const { claim: old } = await rig.takeOne();
    await rig.engine.settle(old, dead);
    await rig.engine.replay(id);
    equal(await rig.engine.settle(old, done("late")), "superseded");
    await rig.takeOne();
    equal(await rig.engine.settle(old, done("late")), "superseded");
    equal(await rig.stateOf(id), "running");
  });

  check("outcomes of one turn are settled each for itself", async (rig) => {
    await rig.accept(...Array.from({ length: 10 }, () => request()));
    const deliveries = await rig.take(10);
    const answers = await Promise.all(deliveries.map(({ claim }, n) => rig.engine.settle(claim, done(String(n)))));
    deepEqual(new Set(answers), new Set(["settled"]));
    const results = await Promise.all(deliveries.map(({ claim }) => rig.engine.readResult(claim.id)));
    deepEqual(
      results.map(textOf),
      Array.from({ length: 10 }, (_, n) => String(n)),
    );
  });
}
