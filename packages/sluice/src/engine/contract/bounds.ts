import { deepEqual, equal } from "node:assert/strict";
import { dead, done, idsOf, orders, queue, request } from "./rig.ts";
import type { Check } from "./suite.ts";

export function boundsCases(check: Check): void {
  check(
    "a batch beyond the backlog's bound is refused whole, at the first that has no room (I7)",
    async (rig) => {
      await rig.accept(request(), request());
      deepEqual(await rig.engine.accept([request(), request()]), { kind: "backlog-full", index: 1 });
      equal((await rig.engine.list({ limit: 10 })).length, 2);
      await rig.accept(request());
    },
    { queues: [queue(orders, { backlogMax: 3 })] },
  );

  check(
    "a batch beyond the bound on bytes is refused whole",
    async (rig) => {
      await rig.acceptOne({ body: "12345678" });
      deepEqual(await rig.engine.accept([request({ body: "123" })]), { kind: "backlog-full", index: 0 });
      await rig.acceptOne({ body: "12" });
      equal((await rig.engine.backlog())[0]?.backlogBytes, 10);
    },
    { queues: [queue(orders, { backlogBytesMax: 10 })] },
  );

  check(
    "outcomes of every kind make room; being delivered or retried does not",
    async (rig) => {
      await rig.accept(request(), request(), request());
      const [first, second] = await rig.take(2);
      if (first === undefined || second === undefined) throw new Error("two were waiting");
      await rig.engine.retry(first.claim, { dueAt: 0, isCounted: true });
      deepEqual(await rig.engine.accept([request()]), { kind: "backlog-full", index: 0 });
      await rig.engine.settle(second.claim, done());
      await rig.acceptOne();
      await rig.engine.settle((await rig.takeOne()).claim, dead);
      await rig.engine.cancel(await rig.acceptOne());
      await rig.acceptOne();
      deepEqual(await rig.engine.accept([request()]), { kind: "backlog-full", index: 0 });
    },
    { queues: [queue(orders, { backlogMax: 3 })] },
  );

  check(
    "a repeat takes no room",
    async (rig) => {
      const [first] = await rig.accept(request({ key: "k" }));
      const [again] = await rig.accept(request({ key: "k" }));
      equal(again?.id, first?.id);
    },
    { queues: [queue(orders, { backlogMax: 1 })] },
  );

  check(
    "one queue at its bound leaves the others their room",
    async (rig) => {
      await rig.acceptOne();
      await rig.accept(request({ queue: "mails" }), request({ queue: "mails" }));
      deepEqual(await rig.engine.accept([request({ queue: "mails" }), request()]), { kind: "backlog-full", index: 1 });
    },
    { queues: [queue(orders, { backlogMax: 1 }), queue("mails")] },
  );

  check(
    "the bounds hold over a crash",
    async (rig) => {
      await rig.accept(request({ body: "12345" }), request({ body: "12345" }));
      await rig.crash();
      deepEqual(await rig.engine.accept([request({ body: "1" })]), { kind: "backlog-full", index: 0 });
      const taken = await rig.take(2);
      equal(idsOf(taken).length, 2);
      for (const { claim } of taken) await rig.engine.settle(claim, done());
      await rig.acceptOne({ body: "1234567890" });
    },
    { queues: [queue(orders, { backlogBytesMax: 10 })] },
  );
}
