import { deepEqual, equal } from "node:assert/strict";
import { boom, dead, done, hourMs, idsOf, orders, request } from "./rig.ts";
import type { Check } from "./suite.ts";

export function restartsCases(check: Check): void {
  check("after a crash whatever ran waits again, and nothing accepted is lost", async (rig) => {
    const receipts = await rig.accept(...Array.from({ length: 6 }, () => request()));
    const [first] = await rig.take(3);
    if (first === undefined) throw new Error("three were delivered");
    await rig.engine.settle(first.claim, done());
    await rig.crash();
    const [status] = await rig.engine.backlog();
    deepEqual({ ...status?.counts }, { waiting: 5, scheduled: 0, running: 0, done: 1, dead: 0, cancelled: 0 });
    deepEqual(
      idsOf(await rig.take(10)).toSorted(),
      receipts.slice(1).map(({ id }) => id),
    );
  });

  check("how many replicas were asked for outlives a crash", async (rig) => {
    const asked = async () => (await rig.engine.backlog())[0]?.replicasAsked;
    equal(await asked(), undefined);
    await rig.engine.askReplicas(orders, 4);
    equal(await asked(), 4);
    await rig.crash();
    equal(await asked(), 4);
  });

  check("a crash counts no attempt (I4)", async (rig) => {
    const id = await rig.acceptOne();
    await rig.takeOne();
    await rig.crash();
    equal((await rig.engine.read(id))?.attempts, 0);
    equal((await rig.takeOne()).attempt, 1);
  });

  check(
    "a graceful close hands back what nobody settled, with nothing held against it",
    async (rig) => {
      const id = await rig.acceptOne();
      for (let round = 0; round < 3; round += 1) {
        equal((await rig.takeOne()).claim.id, id);
        await rig.restart();
        equal(await rig.stateOf(id), "waiting");
      }
      const { claim, attempt } = await rig.takeOne();
      equal(attempt, 1);
      equal(await rig.engine.settle(claim, done()), "settled");
    },
    { crashesMax: 2 },
  );

  check("a pause survives a crash, and intake goes on", async (rig) => {
    await rig.engine.pause(orders, true);
    await rig.crash();
    equal((await rig.engine.backlog())[0]?.isPaused, true);
    const id = await rig.acceptOne();
    await rig.assertNothingToDeliver();
    await rig.engine.pause(orders, false);
    deepEqual(idsOf(await rig.take(1)), [id]);
  });

  check("every state survives a crash and a graceful close", async (rig) => {
    const [a, b, c, d] = await rig.accept(...Array.from({ length: 4 }, () => request()));
    const [first, second, third] = await rig.take(3);
    if (!a || !b || !c || !d || !first || !second || !third) throw new Error("four were sent, three delivered");
    await rig.engine.settle(first.claim, done());
    await rig.engine.settle(second.claim, dead);
    await rig.engine.retry(third.claim, { dueAt: rig.now() + hourMs, failure: boom, isCounted: true });
    await rig.engine.cancel(d.id);
    const before = await rig.engine.list({ limit: 10 });
    await rig.crash();
    deepEqual(await rig.engine.list({ limit: 10 }), before);
    await rig.restart();
    deepEqual(await rig.engine.list({ limit: 10 }), before);
  });

  check("ids keep growing over a crash and a clock that steps back", async (rig) => {
    const first = await rig.acceptOne();
    await rig.crash();
    rig.pass(-hourMs);
    const second = await rig.acceptOne();
    equal(first < second, true);
    deepEqual(idsOf(await rig.take(10)), [first, second]);
  });
}
