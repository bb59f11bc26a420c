import { deepEqual, equal, ok } from "node:assert/strict";
import type { Delivery } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import { boom, dead, done, hourMs, idsOf, orders, request, textOf, unknownId, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

export function operatingCases(check: Check): void {
  replayCases(check);
  replayManyCases(check);
  cancelCases(check);
}

function replayCases(check: Check): void {
  check("a replay runs a dead request again: same id, fresh attempts, a readable result", async (rig) => {
    const id = await rig.acceptOne({ body: "again" });
    await failOnce(rig);
    await rig.engine.settle((await rig.takeOne()).claim, dead);
    deepEqual(await rig.engine.replay(id), { kind: "moved" });
    const waiting = await rig.engine.read(id);
    equal(waiting?.state, "waiting");
    equal(waiting.attempts, 0);
    equal(waiting.finishedAt, undefined);
    const delivery = await rig.takeOne();
    equal(delivery.claim.id, id);
    equal(delivery.attempt, 1);
    equal(Buffer.from(delivery.request.body).toString(), "again");
    await rig.engine.settle(delivery.claim, done("at last"));
    equal(textOf(await rig.engine.readResult(id)), "at last");
  });

  check("a replay survives a crash", async (rig) => {
    const id = await rig.acceptOne();
    await rig.engine.settle((await rig.takeOne()).claim, dead);
    await rig.engine.replay(id);
    await rig.crash();
    deepEqual(idsOf(await rig.take(1)), [id]);
  });

  check("a request says when it was replayed last, also once it has its outcome and after a crash", async (rig) => {
    const id = await rig.acceptOne();
    const replayedAt = async (): Promise<number | undefined> => (await rig.engine.read(id))?.replayedAt;
    await rig.engine.settle((await rig.takeOne()).claim, dead);
    equal(await replayedAt(), undefined);
    for (const outcome of [dead, done()]) {
      rig.pass(hourMs);
      const before = rig.engine.clock.now();
      await rig.engine.replay(id);
      const at = (await replayedAt()) ?? 0;
      ok(at >= before && at <= rig.engine.clock.now());
      await rig.engine.settle((await rig.takeOne()).claim, outcome);
      equal(await replayedAt(), at);
      await rig.crash();
      equal(await replayedAt(), at);
    }
    const [listed] = await rig.engine.list({ limit: 1 });
    equal(listed?.replayedAt, await replayedAt());
  });

  check("of concurrent replays one moves, and the request runs once", async (rig) => {
    const id = await rig.acceptOne();
    await rig.engine.settle((await rig.takeOne()).claim, dead);
    const answers = await Promise.all([1, 2, 3].map(() => rig.engine.replay(id)));
    equal(answers.filter(({ kind }) => kind === "moved").length, 1);
    deepEqual(idsOf(await rig.take(10)), [id]);
  });

  check("only a dead request can be replayed", async (rig) => {
    const id = await rig.acceptOne();
    deepEqual(await rig.engine.replay(id), { kind: "refused", state: "waiting" });
    const { claim } = await rig.takeOne();
    deepEqual(await rig.engine.replay(id), { kind: "refused", state: "running" });
    await rig.engine.retry(claim, { dueAt: rig.now() + hourMs, isCounted: true });
    deepEqual(await rig.engine.replay(id), { kind: "refused", state: "scheduled" });
    rig.pass(2 * hourMs);
    await rig.engine.settle((await rig.takeOne()).claim, done());
    deepEqual(await rig.engine.replay(id), { kind: "refused", state: "done" });
    const cancelled = await rig.acceptOne();
    await rig.engine.cancel(cancelled);
    deepEqual(await rig.engine.replay(cancelled), { kind: "refused", state: "cancelled" });
    deepEqual(await rig.engine.replay(unknownId), { kind: "unknown" });
  });
}

function replayManyCases(check: Check): void {
  check("a bulk replay takes the dead ones of one error, up to its limit", async (rig) => {
    const timeouts = await dieWith(rig, "timeout", 3);
    const rejected = await dieWith(rig, "rejected", 2);
    const report = await rig.engine.replayMany({ queue: orders, errorCode: "timeout", limit: 2, isDryRun: false });
    deepEqual({ ...report }, { total: 3, matched: 2, replayed: 2 });
    const replayed = idsOf(await rig.take(10));
    equal(
      replayed.every((id) => timeouts.includes(id)),
      true,
    );
    const stillDead = await rig.engine.list({ state: "dead", limit: 10 });
    equal(stillDead.length, 3);
    equal(
      rejected.every((id) => stillDead.some((status) => status.id === id)),
      true,
    );
  });

  check("a bulk replay without an error takes all dead ones", async (rig) => {
    await dieWith(rig, "timeout", 2);
    await dieWith(rig, "rejected", 1);
    const report = await rig.engine.replayMany({ queue: orders, limit: 100, isDryRun: false });
    deepEqual({ ...report }, { total: 3, matched: 3, replayed: 3 });
    equal((await rig.take(10)).length, 3);
  });

  check("a bulk replay lets others commit between its slices, and tells how many were replayed", async (rig) => {
    const count = 1_000;
    const ids = await dieWith(rig, "timeout", count);
    let isOver = false;
    const { promise: began, resolve: begin } = Promise.withResolvers<void>();
    using _watch = rig.engine.watch(ids.toSorted()[0] ?? unknownId, () => begin());
    const replaying = rig.engine
      .replayMany({ queue: orders, limit: count - 1, isDryRun: false })
      .finally(() => (isOver = true));
    await began;
    await rig.acceptOne();
    equal(isOver, false, "a request that came in meanwhile had to wait for all of it");
    deepEqual({ ...(await replaying) }, { total: count, matched: count - 1, replayed: count - 1 });
    const [left] = await rig.engine.list({ state: "dead", limit: 2 });
    equal(left?.id, ids.toSorted().at(-1));
  });

  check("a bulk replay that a crash ends is true as far as it got, and can be asked for again", async (rig) => {
    const count = 600;
    await dieWith(rig, "timeout", count);
    const replaying = rig.engine.replayMany({ queue: orders, limit: count, isDryRun: false });
    replaying.catch(() => undefined); // the crash takes its answer away
    await rig.acceptOne(); // a slice or more is committed
    await rig.crash();
    await rig.assertLaw();
    await rig.engine.replayMany({ queue: orders, limit: count, isDryRun: false });
    deepEqual(await rig.engine.list({ state: "dead", limit: 1 }), []);
    await rig.assertLaw();
  });

  check("a bulk replay finds the few of one error among many others", async (rig) => {
    for (let round = 0; round < 2; round += 1) await dieWith(rig, "rejected", 600); // more than one slice looks at
    const timeouts = await dieWith(rig, "timeout", 3);
    const report = await rig.engine.replayMany({ queue: orders, errorCode: "timeout", limit: 10, isDryRun: false });
    deepEqual({ ...report }, { total: 3, matched: 3, replayed: 3 });
    deepEqual(idsOf(await rig.take(10)).toSorted(), timeouts.toSorted());
  });

  check("a dry run counts, and changes nothing", async (rig) => {
    await dieWith(rig, "timeout", 3);
    await dieWith(rig, "rejected", 1);
    const dry = { queue: orders, limit: 2, isDryRun: true };
    deepEqual(
      { ...(await rig.engine.replayMany({ ...dry, errorCode: "timeout" })) },
      { total: 3, matched: 2, replayed: 0 },
    );
    deepEqual({ ...(await rig.engine.replayMany(dry)) }, { total: 4, matched: 2, replayed: 0 });
    equal((await rig.engine.list({ state: "dead", limit: 10 })).length, 4);
    await rig.assertNothingToDeliver();
  });
}

function cancelCases(check: Check): void {
  check("a waiting request can be cancelled and is never delivered", async (rig) => {
    const [first, second] = await rig.accept(request(), request());
    deepEqual(await rig.engine.cancel(first?.id ?? unknownId), { kind: "moved" });
    deepEqual(idsOf(await rig.take(10)), [second?.id]);
    await rig.crash();
    equal(await rig.stateOf(first?.id ?? unknownId), "cancelled");
    deepEqual(idsOf(await rig.take(10)), [second?.id]);
  });

  check("a scheduled request can be cancelled and is never delivered", async (rig) => {
    const id = await rig.acceptOne();
    const { claim } = await rig.takeOne();
    await rig.engine.retry(claim, { dueAt: rig.now() + hourMs, failure: boom, isCounted: true });
    deepEqual(await rig.engine.cancel(id), { kind: "moved" });
    rig.pass(2 * hourMs);
    await rig.assertNothingToDeliver();
    const status = await rig.engine.read(id);
    equal(status?.state, "cancelled");
    equal(status.attempts, 1);
    equal(status.nextAttemptAt, undefined);
  });

  check("what runs or is final cannot be cancelled", async (rig) => {
    const id = await rig.acceptOne();
    const { claim } = await rig.takeOne();
    deepEqual(await rig.engine.cancel(id), { kind: "refused", state: "running" });
    await rig.engine.settle(claim, done());
    deepEqual(await rig.engine.cancel(id), { kind: "refused", state: "done" });
    const [deadId = unknownId] = await dieWith(rig, "timeout", 1);
    deepEqual(await rig.engine.cancel(deadId), { kind: "refused", state: "dead" });
    const cancelled = await rig.acceptOne();
    await rig.engine.cancel(cancelled);
    deepEqual(await rig.engine.cancel(cancelled), { kind: "refused", state: "cancelled" });
    deepEqual(await rig.engine.cancel(unknownId), { kind: "unknown" });
  });

  check("the key of a cancelled request stays taken", async (rig) => {
    const id = await rig.acceptOne({ key: "k" });
    await rig.engine.cancel(id);
    const [again] = await rig.accept(request({ key: "k" }));
    equal(again?.id, id);
    equal(again.state, "cancelled");
  });
}

async function failOnce(rig: Rig): Promise<void> {
  const { claim } = await rig.takeOne();
  await rig.engine.retry(claim, { dueAt: 0, failure: boom, isCounted: true });
}

/** Accepts and buries as many requests; their ids. */
async function dieWith(rig: Rig, code: string, count: number): Promise<readonly RequestId[]> {
  await rig.accept(...Array.from({ length: count }, () => request()));
  const deliveries: Delivery[] = [];
  while (deliveries.length < count) deliveries.push(...(await rig.take(count - deliveries.length)));
  const outcome = { kind: "dead", failure: { ...boom, code } } as const;
  await Promise.all(deliveries.map(({ claim }) => rig.engine.settle(claim, outcome)));
  return idsOf(deliveries);
}
