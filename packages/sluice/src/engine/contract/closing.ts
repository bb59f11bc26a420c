import { deepEqual, equal, rejects } from "node:assert/strict";
import { done, orders, request } from "./rig.ts";
import type { Check } from "./suite.ts";

export function closingCases(check: Check): void {
  check("closing twice, also at once, is safe", async (rig) => {
    await rig.acceptOne();
    await Promise.all([rig.engine.close(), rig.engine.close()]);
    await rig.engine.close();
    await rig.restart();
  });

  check("a deliver that waits at the close resolves to nothing", async (rig) => {
    const waiting = await rig.waitForDelivery();
    await rig.engine.close();
    deepEqual(await waiting.delivered, []);
    await rig.restart();
  });

  check("a deliver after the close resolves to nothing", async (rig) => {
    await rig.acceptOne();
    await rig.engine.close();
    const { signal } = new AbortController();
    deepEqual(await rig.engine.deliver({ queue: orders, max: 1, signal }), []);
    await rig.restart();
    equal((await rig.take(1)).length, 1);
  });

  check("an accept after the close is refused as draining", async (rig) => {
    await rig.engine.close();
    await rejects(rig.engine.accept([request()]), { name: "SluiceError", code: "draining" });
    await rig.restart();
    equal((await rig.engine.list({ limit: 1 })).length, 0);
  });

  check("calls under way at the close are finished", async (rig) => {
    await rig.acceptOne();
    const { claim } = await rig.takeOne();
    const accepting = rig.engine.accept([request()]);
    const settling = rig.engine.settle(claim, done());
    await rig.engine.close();
    equal((await accepting).kind, "accepted");
    equal(await settling, "settled");
    await rig.restart();
    const [status] = await rig.engine.backlog();
    deepEqual([status?.queue, status?.counts.waiting, status?.counts.done], [orders, 1, 1]);
  });
}
