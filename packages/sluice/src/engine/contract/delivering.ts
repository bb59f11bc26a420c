import { deepEqual, equal } from "node:assert/strict";
import { boom, done, idsOf, orders, queue, request, textOf } from "./rig.ts";
import type { Check } from "./suite.ts";

export function deliveringCases(check: Check): void {
  check("the longest waiting come first, and never more than asked for", async (rig) => {
    const receipts = await rig.accept(...Array.from({ length: 5 }, (_, n) => request({ body: String(n) })));
    const ids = receipts.map(({ id }) => id);
    deepEqual(idsOf(await rig.take(2)), ids.slice(0, 2));
    deepEqual(idsOf(await rig.take(10)), ids.slice(2));
    await rig.assertNothingToDeliver();
  });

  check("a delivery carries the request and counts its attempt from 1", async (rig) => {
    const id = await rig.acceptOne({ key: "k", body: "hello" });
    const { request: delivered, claim, attempt } = await rig.takeOne();
    equal(attempt, 1);
    equal(claim.id, id);
    equal(delivered.id, id);
    equal(delivered.queue, orders);
    equal(textOf({ contentType: "", bytes: delivered.body }), "hello");
    equal(await rig.stateOf(id), "running");
  });

  check(
    "a queue's deliveries are its own",
    async (rig) => {
      await rig.acceptOne({ queue: "mails" });
      await rig.assertNothingToDeliver(orders);
      equal((await rig.takeOne("mails")).request.queue, "mails");
    },
    { queues: [queue(orders), queue("mails")] },
  );

  check("no request is handed to two at a time", async (rig) => {
    const receipts = await rig.accept(...Array.from({ length: 40 }, () => request()));
    const batches = await Promise.all(Array.from({ length: 10 }, () => rig.take(4)));
    const ids = batches.flatMap(idsOf);
    deepEqual(
      ids.toSorted(),
      receipts.map(({ id }) => id),
    );
  });

  check(
    "of those that failed before only as many come as asked for: some first, the rest behind the others",
    async (rig) => {
      const failing = await rig.accept(...Array.from({ length: 4 }, () => request()));
      for (const { claim } of await rig.take(4))
        await rig.engine.retry(claim, { dueAt: rig.now(), failure: boom, isCounted: true });
      const others = await rig.accept(...Array.from({ length: 3 }, () => request()));
      const ids = await rig.take(7, orders, { first: 1, most: 3 }).then(idsOf);
      const isRetry = (id: string): boolean => failing.some((receipt) => receipt.id === id);
      deepEqual(ids.map(isRetry), [true, false, false, false, true, true]);
      deepEqual(
        ids.filter((id) => !isRetry(id)),
        others.map(({ id }) => id),
      );
      equal((await rig.take(7, orders, { first: 0, most: 1 })).length, 1);
    },
  );

  check("a delivery says that it comes back after an attempt that was put off without counting", async (rig) => {
    await rig.accept(request(), request());
    const [putOff, kept] = await rig.take(2);
    if (putOff === undefined || kept === undefined) throw new Error("two were delivered");
    deepEqual([putOff.isAgain, kept.isAgain], [false, false]);
    await rig.engine.retry(putOff.claim, { dueAt: rig.now(), failure: boom, isCounted: false });
    const again = await rig.takeOne();
    deepEqual([again.claim.id, again.attempt, again.isAgain], [putOff.claim.id, 1, true]);
  });

  check(
    "of those that failed before the next time others come first, so that a probe is never the same twice",
    async (rig) => {
      const failing = await rig.accept(...Array.from({ length: 3 }, () => request()));
      const probes = new Set<string>();
      for (let probe = 0; probe < 6; probe += 1) {
        const [delivery] = await rig.take(1, orders, { first: 0, most: 1 });
        if (delivery === undefined) continue;
        probes.add(delivery.claim.id);
        rig.pass(1);
        await rig.engine.retry(delivery.claim, { dueAt: rig.now(), failure: boom, isCounted: false });
      }
      equal(probes.size, failing.length);
    },
  );

  check("a deliver that wants none that failed before leaves them to the next one", async (rig) => {
    const failed = await rig.acceptOne();
    await rig.engine.retry((await rig.takeOne()).claim, { dueAt: rig.now(), failure: boom, isCounted: true });
    const waiting = rig.take(5, orders, { first: 0, most: 0 });
    const fresh = await rig.acceptOne();
    deepEqual(idsOf(await waiting), [fresh]);
    equal(await rig.stateOf(failed), "waiting");
    deepEqual(idsOf(await rig.take(5)), [failed]);
  });

  check("deliver waits, and an accept wakes it", async (rig) => {
    const waiting = await rig.waitForDelivery();
    const id = await rig.acceptOne();
    deepEqual(idsOf(await waiting.delivered), [id]);
  });

  check("deliver waits, and a retry that gets due wakes it", async (rig) => {
    const id = await rig.acceptOne();
    const { claim } = await rig.takeOne();
    await rig.engine.retry(claim, { dueAt: rig.now() + 40, failure: boom, isCounted: true });
    deepEqual(idsOf(await rig.take(1)), [id]);
  });

  check("deliver waits, and a hand-back wakes it", async (rig) => {
    const id = await rig.acceptOne();
    const { claim } = await rig.takeOne();
    const waiting = await rig.waitForDelivery();
    await rig.engine.retry(claim, { dueAt: 0, isCounted: false });
    deepEqual(idsOf(await waiting.delivered), [id]);
  });

  check("deliver waits, and a replay wakes it", async (rig) => {
    const id = await rig.acceptOne();
    await rig.engine.settle((await rig.takeOne()).claim, { kind: "dead", failure: boom });
    const waiting = await rig.waitForDelivery();
    await rig.engine.replay(id);
    deepEqual(idsOf(await waiting.delivered), [id]);
  });

  check("deliver waits while the queue is paused, and a resume wakes it", async (rig) => {
    await rig.engine.pause(orders, true);
    const id = await rig.acceptOne();
    const waiting = await rig.waitForDelivery();
    await rig.engine.pause(orders, false);
    deepEqual(idsOf(await waiting.delivered), [id]);
  });

  check("of two that wait, one accept wakes one", async (rig) => {
    const first = await rig.waitForDelivery();
    const second = await rig.waitForDelivery();
    const id = await rig.acceptOne();
    deepEqual(idsOf(await Promise.race([first.delivered, second.delivered])), [id]);
    const both = await Promise.all([first.abort(), second.abort()]);
    deepEqual(both.flatMap(idsOf), [id]);
  });

  check("an aborted deliver claims nothing", async (rig) => {
    const waiting = await rig.waitForDelivery();
    deepEqual(await waiting.abort(), []);
    const id = await rig.acceptOne();
    equal(await rig.stateOf(id), "waiting");
    deepEqual(idsOf(await rig.take(1)), [id]);
  });

  check("a deliver whose signal is aborted already claims nothing", async (rig) => {
    const id = await rig.acceptOne();
    deepEqual(await rig.engine.deliver({ queue: orders, max: 1, signal: AbortSignal.abort() }), []);
    equal(await rig.stateOf(id), "waiting");
  });

  check("what an abort comes too late for is delivered, never lost in between", async (rig) => {
    const receipts = await rig.accept(...Array.from({ length: 20 }, () => request()));
    const delivered = await Promise.all(
      receipts.map(() => {
        const abort = new AbortController();
        const answer = rig.engine.deliver({ queue: orders, max: 1, signal: abort.signal });
        setImmediate(() => abort.abort());
        return answer;
      }),
    );
    const claimed = delivered.flatMap(idsOf);
    const running = await rig.engine.list({ state: "running", limit: 100 });
    deepEqual(claimed.toSorted(), running.map(({ id }) => id).toSorted());
    const rest = receipts.length - claimed.length;
    equal(rest === 0 ? 0 : (await rig.take(100)).length, rest);
  });

  check("a paused queue accepts and settles, and delivers nothing", async (rig) => {
    await rig.acceptOne();
    const { claim } = await rig.takeOne();
    await rig.engine.pause(orders, true);
    await rig.acceptOne();
    await rig.assertNothingToDeliver();
    equal(await rig.engine.settle(claim, done()), "settled");
    equal((await rig.engine.backlog())[0]?.isPaused, true);
  });
}
