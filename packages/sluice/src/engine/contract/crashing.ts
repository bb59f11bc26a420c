// Workers that die while their engine goes on. For engines that are told of it.
import { deepEqual, equal, fail } from "node:assert/strict";
import type { Claim } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { Change, SettleResult } from "../engine.ts";
import { done, idsOf, orders, queue, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

export function crashingCases(check: Check): void {
  check("a request whose worker died waits again at once, and no attempt is counted (I4)", async (rig) => {
    const id = await rig.acceptOne();
    const { claim } = await rig.takeOne();
    const waiting = await rig.waitForDelivery();
    equal(await crashed(rig, claim), "settled");
    deepEqual(idsOf(await waiting.delivered), [id]);
    equal((await rig.engine.read(id))?.attempts, 0);
  });

  check("what its dead worker still had to say is refused, and the other way round (I3)", async (rig) => {
    const id = await rig.acceptOne();
    const first = await rig.takeOne();
    await crashed(rig, first.claim);
    equal(await rig.engine.settle(first.claim, done("late")), "superseded");
    const second = await rig.takeOne();
    equal(await rig.engine.settle(second.claim, done()), "settled");
    equal(await crashed(rig, second.claim), "superseded");
    equal(await crashed(rig, first.claim), "superseded");
    equal(await rig.stateOf(id), "done");
  });

  check("a request that kills one worker after the other ends dead as poison (I4), and is told of", async (rig) => {
    const id = await rig.acceptOne({ callback: "http://127.0.0.1:9/" });
    const changes: Change[] = [];
    using _watching = rig.engine.watch(id, (change) => changes.push(change));
    for (let crashes = 0; crashes < 5; crashes += 1) {
      equal(await rig.stateOf(id), "waiting");
      await crashed(rig, (await rig.takeOne()).claim);
    }
    const status = await rig.engine.read(id);
    deepEqual([status?.state, status?.lastError?.code, status?.attempts], ["dead", "poison", 0]);
    deepEqual(
      (await rig.engine.callbacksDue({ max: 10 })).due.map((due) => due.id),
      [id],
    );
    deepEqual(changes.flatMap((change) => (change.kind === "state" ? [change.state] : [])).slice(-3), [
      "waiting",
      "running",
      "dead",
    ]);
  });

  check(
    "from its second crash on it runs alone, also in engines that had no suspect before",
    async (rig) => {
      const id = await crashTwice(rig);
      await rig.acceptOne();
      await rig.acceptOne({ queue: "mails" });
      const [suspect, ...others] = await rig.take(10);
      deepEqual([suspect?.claim.id, others.length], [id, 0]);
      await rig.assertNothingToDeliver();
      await rig.assertNothingToDeliver("mails");
      await rig.engine.settle(suspect?.claim ?? fail("a suspect waits"), done());
      equal((await rig.take(10)).length, 1);
      equal((await rig.take(10, "mails")).length, 1);
    },
    { queues: [queue(orders), queue("mails")] },
  );

  check("crashes of a worker and of the whole engine are on one account", async (rig) => {
    const id = await crashTwice(rig);
    for (let crashes = 2; crashes < 5; crashes += 1) {
      await rig.takeOne();
      await rig.crash();
    }
    equal(await rig.stateOf(id), "dead");
  });

  check("a claim that is handed back has nothing on its account", async (rig) => {
    const id = await rig.acceptOne();
    for (let times = 0; times < 6; times += 1) {
      await rig.engine.retry((await rig.takeOne()).claim, { dueAt: 0, isCounted: false });
    }
    await rig.acceptOne();
    deepEqual(idsOf(await rig.take(10)).includes(id), true);
  });
}

function crashed({ engine }: Rig, claim: Claim): Promise<SettleResult> {
  return engine.crashed?.(claim) ?? fail("this engine is not told of crashes");
}

async function crashTwice(rig: Rig): Promise<RequestId> {
  const id = await rig.acceptOne();
  for (let crashes = 0; crashes < 2; crashes += 1) await crashed(rig, (await rig.takeOne()).claim);
  return id;
}
