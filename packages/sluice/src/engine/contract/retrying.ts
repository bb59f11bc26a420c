import { deepEqual, equal } from "node:assert/strict";
import { boom, done, hourMs, idsOf, request } from "./rig.ts";
import type { Check } from "./suite.ts";

export function retryingCases(check: Check): void {
  check("a retry in the future is scheduled, shows its time and error, and becomes deliverable", async (rig) => {
    const id = await rig.acceptOne();
    const dueAt = rig.now() + hourMs;
    const { claim } = await rig.takeOne();
    equal(await rig.engine.retry(claim, { dueAt, failure: boom, isCounted: true }), "settled");
    const scheduled = await rig.engine.read(id);
    equal(scheduled?.state, "scheduled");
    equal(scheduled.nextAttemptAt, dueAt);
    equal(scheduled.attempts, 1);
    deepEqual({ ...scheduled.lastError }, boom);
    await rig.assertNothingToDeliver();
    await rig.assertLaw();
    rig.pass(2 * hourMs);
    equal(await rig.stateOf(id), "waiting");
    equal((await rig.engine.read(id))?.nextAttemptAt, undefined);
    await rig.assertLaw();
    const delivery = await rig.takeOne();
    equal(delivery.claim.id, id);
    equal(delivery.attempt, 2);
  });

  check("each failed attempt counts, and the last error is the newest", async (rig) => {
    const id = await rig.acceptOne();
    for (const message of ["one", "two", "three"]) {
      const { claim } = await rig.takeOne();
      await rig.engine.retry(claim, { dueAt: 0, failure: { ...boom, message }, isCounted: true });
    }
    const status = await rig.engine.read(id);
    equal(status?.attempts, 3);
    equal(status.lastError?.message, "three");
    const { attempt, claim } = await rig.takeOne();
    equal(attempt, 4);
    await rig.engine.settle(claim, done());
    equal((await rig.engine.read(id))?.attempts, 4);
  });

  check("a hand-back counts no attempt and records no error (I4)", async (rig) => {
    const id = await rig.acceptOne();
    for (let round = 0; round < 3; round += 1) {
      const { claim, attempt } = await rig.takeOne();
      equal(attempt, 1);
      equal(await rig.engine.retry(claim, { dueAt: 0, isCounted: false }), "settled");
    }
    const status = await rig.engine.read(id);
    equal(status?.state, "waiting");
    equal(status.attempts, 0);
    equal(status.lastError, undefined);
  });

  check("a failure that is not counted is still told", async (rig) => {
    const id = await rig.acceptOne();
    const { claim } = await rig.takeOne();
    await rig.engine.retry(claim, { dueAt: 0, failure: boom, isCounted: false });
    const status = await rig.engine.read(id);
    equal(status?.attempts, 0);
    deepEqual({ ...status.lastError }, boom);
  });

  check("a retry survives a crash with its time, attempts and error", async (rig) => {
    const id = await rig.acceptOne();
    const dueAt = rig.now() + hourMs;
    const { claim } = await rig.takeOne();
    await rig.engine.retry(claim, { dueAt, failure: boom, isCounted: true });
    await rig.crash();
    const status = await rig.engine.read(id);
    equal(status?.state, "scheduled");
    equal(status.nextAttemptAt, dueAt);
    equal(status.attempts, 1);
    deepEqual({ ...status.lastError }, boom);
  });

  check("what is due to come back is delivered before what never was", async (rig) => {
    const [first] = await rig.accept(request(), request());
    const { claim } = await rig.takeOne();
    await rig.engine.retry(claim, { dueAt: 0, isCounted: false });
    deepEqual(idsOf(await rig.take(1)), [first?.id]);
  });

  check("a scheduled request holds up nobody behind it", async (rig) => {
    const [, second] = await rig.accept(request(), request());
    const { claim } = await rig.takeOne();
    await rig.engine.retry(claim, { dueAt: rig.now() + hourMs, failure: boom, isCounted: true });
    deepEqual(idsOf(await rig.take(10)), [second?.id]);
  });
}
