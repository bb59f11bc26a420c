import { deepEqual, equal } from "node:assert/strict";
import type { RequestId } from "../../core/request-id.ts";
import { boom, done, idsOf, orders, queue, request, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

export function poisonCases(check: Check): void {
  check("a request that keeps killing its worker ends dead, and the others are done (I4)", async (rig) => {
    const receipts = await rig.accept(...Array.from({ length: 10 }, () => request()));
    const poison = receipts[4]?.id as RequestId;
    equal(await workUntilDrained(rig, poison), 5);
    const status = await rig.engine.read(poison);
    equal(status?.state, "dead");
    equal(status.lastError?.code, "poison");
    equal(status.attempts, 0);
    const [{ counts } = { counts: undefined }] = await rig.engine.backlog();
    deepEqual([counts?.done, counts?.dead], [9, 1]);
  });

  check("from its second crash on a suspect runs alone", async (rig) => {
    await rig.accept(request(), request(), request());
    for (let crashes = 0; crashes < 2; crashes += 1) {
      equal((await rig.take(2)).length, 2);
      await rig.crash();
    }
    const [suspect, ...others] = await rig.take(10);
    equal(others.length, 0);
    await rig.assertNothingToDeliver();
    if (suspect === undefined) throw new Error("a suspect waits");
    await rig.engine.settle(suspect.claim, done());
    const [second, ...more] = await rig.take(10);
    equal(more.length, 0);
    if (second === undefined) throw new Error("a second suspect waits");
    await rig.engine.settle(second.claim, done());
    equal((await rig.take(10)).length, 1);
  });

  check(
    "a suspect waits for what runs beside it, also in other queues",
    async (rig) => {
      await crashTwice(rig);
      await rig.acceptOne({ queue: "mails" });
      const { claim } = await rig.takeOne("mails");
      await rig.assertNothingToDeliver(orders);
      const waiting = await rig.waitForDelivery(orders);
      await rig.engine.settle(claim, done());
      equal((await waiting.delivered).length, 1);
      await rig.acceptOne({ queue: "mails" });
      await rig.assertNothingToDeliver("mails");
    },
    { queues: [queue(orders), queue("mails")] },
  );

  check(
    "a suspect gets its turn though another queue is never idle",
    async (rig) => {
      const suspect = await crashTwice(rig);
      await rig.accept(request({ queue: "mails" }), request({ queue: "mails" }));
      const { claim } = await rig.takeOne("mails");
      const waiting = await rig.waitForDelivery(orders);
      await rig.assertNothingToDeliver("mails");
      await rig.engine.settle(claim, done());
      deepEqual(idsOf(await waiting.delivered), [suspect]);
    },
    { queues: [queue(orders), queue("mails")] },
  );

  check(
    "a suspect in a paused queue holds up nobody else",
    async (rig) => {
      await crashTwice(rig);
      await rig.engine.pause(orders, true);
      await rig.accept(request({ queue: "mails" }), request({ queue: "mails" }));
      equal((await rig.take(2, "mails")).length, 2);
    },
    { queues: [queue(orders), queue("mails")] },
  );

  check("who lives to tell of a failure is no suspect any more", async (rig) => {
    const id = await crashTwice(rig);
    const { claim } = await rig.takeOne();
    await rig.engine.retry(claim, { dueAt: 0, failure: boom, isCounted: true });
    await rig.acceptOne();
    equal((await rig.take(10)).length, 2);
    equal((await rig.engine.read(id))?.attempts, 1);
  });

  check(
    "a replayed poison starts with a clean slate",
    async (rig) => {
      const id = await crashTwice(rig);
      await rig.takeOne();
      await rig.crash();
      equal(await rig.stateOf(id), "dead");
      deepEqual(await rig.engine.replay(id), { kind: "moved" });
      await rig.takeOne();
      await rig.crash();
      equal(await rig.stateOf(id), "waiting");
      await rig.engine.settle((await rig.takeOne()).claim, done());
    },
    { crashesMax: 3 },
  );
}

/** Accepts one request and crashes twice while it runs: a suspect from now on. */
async function crashTwice(rig: Rig): Promise<RequestId> {
  const id = await rig.acceptOne();
  for (let crashes = 0; crashes < 2; crashes += 1) {
    await rig.takeOne();
    await rig.crash();
  }
  return id;
}

/** Takes four at a time and settles them; the poison kills the process. Gives back the number of crashes. */
async function workUntilDrained(rig: Rig, poison: RequestId): Promise<number> {
  for (let crashes = 0; ;) {
    const [status] = await rig.engine.backlog();
    if (status?.backlog === 0) return crashes;
    const deliveries = await rig.take(4);
    if (idsOf(deliveries).includes(poison)) {
      crashes += 1;
      await rig.crash();
      continue;
    }
    for (const { claim } of deliveries) await rig.engine.settle(claim, done());
  }
}
