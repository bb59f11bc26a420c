import { deepEqual, equal } from "node:assert/strict";
import { noPlacement, type Placement } from "../../core/placement.ts";
import type { State } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import { boom, done, hourMs, idsOf, orders, request, unknownId, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

/** Requests that are not to begin before a time, or not after one. */
export function placingCases(check: Check): void {
  check("what is not to begin yet is scheduled, and delivered from its time on as what never ran", async (rig) => {
    const notBefore = rig.now() + hourMs;
    const [receipt] = await rig.accept(request({ placement: { notBefore } }));
    const id = receipt?.id as RequestId;
    equal(receipt?.state, "scheduled");
    const status = await rig.engine.read(id);
    deepEqual([status?.state, status?.nextAttemptAt], ["scheduled", notBefore]);
    deepEqual(placementOf(status?.head?.placement), { notBefore, expiresAt: undefined });
    deepEqual(await listed(rig, "scheduled"), [id]);
    deepEqual(await listed(rig, "waiting"), []);
    await rig.assertNothingToDeliver();
    await rig.assertLaw();
    rig.pass(hourMs + 1_000);
    equal(await rig.stateOf(id), "waiting");
    await rig.assertLaw();
    const delivery = await rig.takeOne();
    deepEqual([delivery.claim.id, delivery.attempt, delivery.isAgain], [id, 1, false]);
    deepEqual(placementOf(delivery.request.placement), { notBefore, expiresAt: undefined });
    await rig.engine.settle(delivery.claim, done());
    equal(await rig.stateOf(id), "done");
  });

  check("what may begin is not kept waiting by what may not, before it or behind it", async (rig) => {
    const later = { placement: { notBefore: rig.now() + hourMs } };
    const [, one, , , two] = await rig.accept(request(later), request(), request(later), request(later), request());
    deepEqual(idsOf(await rig.take(5)), [one?.id, two?.id]);
    const three = await rig.acceptOne();
    equal((await rig.takeOne()).claim.id, three);
    await rig.assertNothingToDeliver();
    equal((await rig.engine.backlog())[0]?.counts.scheduled, 3);
  });

  check("a time that has passed has no effect", async (rig) => {
    const [receipt] = await rig.accept(request({ placement: { notBefore: rig.now() - 1 } }));
    equal(receipt?.state, "waiting");
    equal((await rig.takeOne()).claim.id, receipt.id);
  });

  check("what is not to begin yet waits over a restart and a crash, and begins once", async (rig) => {
    const id = await rig.acceptOne({ placement: { notBefore: rig.now() + hourMs } });
    await rig.restart();
    await rig.assertNothingToDeliver();
    await rig.crash();
    await rig.assertNothingToDeliver();
    rig.pass(hourMs + 1_000);
    equal((await rig.takeOne()).claim.id, id);
    await rig.assertNothingToDeliver();
  });

  check("what is not to begin yet can be cancelled, and a repeat of it is told where it is", async (rig) => {
    const fields = { key: "k", placement: { notBefore: rig.now() + hourMs } };
    const [first] = await rig.accept(request(fields));
    const [again] = await rig.accept(request({ key: "k" }));
    deepEqual([again?.id, again?.state, again?.isReplayed], [first?.id, "scheduled", true]);
    deepEqual(await rig.engine.cancel(first?.id as RequestId), { kind: "moved" });
    rig.pass(2 * hourMs);
    await rig.assertNothingToDeliver();
  });

  check("a clock that steps back brings the time no nearer", async (rig) => {
    const id = await rig.acceptOne({ placement: { notBefore: rig.now() + 2 * hourMs } });
    rig.pass(-hourMs);
    await rig.restart();
    rig.pass(2 * hourMs);
    await rig.assertNothingToDeliver();
    rig.pass(hourMs + 1_000);
    equal((await rig.takeOne()).claim.id, id);
  });

  check("a worker that waits is given what may begin from now on", async (rig) => {
    const waiting = await rig.waitForDelivery();
    const id = await rig.acceptOne({ placement: { notBefore: rig.now() + 300 } });
    deepEqual(idsOf(await waiting.delivered), [id]);
  });

  check("what has not begun by its time ends dead as expired, and who watches is told", async (rig) => {
    const ids = await acceptAll(rig, 3, { expiresAt: rig.now() + hourMs });
    const last = ids.at(-1) as RequestId;
    const seen: string[] = [];
    using _watch = rig.engine.watch(last, (change) => seen.push(change.kind === "state" ? change.state : ""));
    await rig.engine.pause(orders, true);
    rig.pass(hourMs + 1_000);
    await ended(rig, last);
    for (const id of ids) {
      const status = await rig.engine.read(id);
      deepEqual([status?.state, status?.lastError?.code, status?.attempts], ["dead", "expired", 0]);
    }
    deepEqual(seen, ["dead"]);
    await rig.engine.pause(orders, false);
    await rig.assertNothingToDeliver();
    deepEqual(
      (await rig.engine.deadByError(orders)).map(({ errorCode, count }) => [errorCode, count]),
      [["expired", 3]],
    );
  });

  check("what expired is never delivered, and the next request is", async (rig) => {
    const ids = await acceptAll(rig, 3, { expiresAt: rig.now() + hourMs });
    const next = await rig.acceptOne();
    rig.pass(hourMs + 1);
    deepEqual(idsOf(await rig.take(10)), [next]);
    for (const id of ids) await ended(rig, id);
  });

  check("what has begun does not expire: while it runs, after a failed attempt, after a crash", async (rig) => {
    const expiresAt = rig.now() + hourMs;
    const [runs, failed] = await acceptAll(rig, 2, { expiresAt });
    const [first, second] = await rig.take(2);
    if (first === undefined || second === undefined) throw new Error("two were delivered");
    await rig.engine.retry(second.claim, { dueAt: rig.now() + 2 * hourMs, failure: boom, isCounted: true });
    rig.pass(hourMs + 1_000);
    await pastUpkeep(rig);
    deepEqual([await rig.stateOf(runs as RequestId), await rig.stateOf(failed as RequestId)], ["running", "scheduled"]);
    await rig.crash();
    equal((await rig.takeOne()).claim.id, runs);
    rig.pass(2 * hourMs);
    equal((await rig.takeOne()).claim.id, failed);
  });

  check("what has begun does not expire where its attempt did not count", async (rig) => {
    const expiresAt = rig.now() + hourMs;
    const [cutOff, later] = await acceptAll(rig, 2, { expiresAt });
    const [first, second] = await rig.take(2);
    if (first === undefined || second === undefined) throw new Error("two were delivered");
    const dueAt = rig.now() + 2 * hourMs;
    await rig.engine.retry(first.claim, { dueAt: 0, isCounted: false, hasBegun: true });
    await rig.engine.retry(second.claim, { dueAt, failure: boom, isCounted: false, hasBegun: true });
    rig.pass(hourMs + 1_000);
    await pastUpkeep(rig);
    deepEqual(
      [await rig.stateOf(cutOff as RequestId), await rig.stateOf(later as RequestId)],
      ["waiting", "scheduled"],
    );
    const { claim } = await rig.takeOne();
    equal(claim.id, cutOff);
    await rig.engine.settle(claim, done());
    rig.pass(2 * hourMs);
    equal((await rig.takeOne()).claim.id, later);
  });

  check("what was handed back untouched may still expire", async (rig) => {
    const id = await rig.acceptOne({ placement: { expiresAt: rig.now() + hourMs } });
    await rig.engine.retry((await rig.takeOne()).claim, { dueAt: 0, isCounted: false });
    rig.pass(hourMs + 1_000);
    await ended(rig, id);
    equal((await rig.engine.read(id))?.lastError?.code, "expired");
  });

  check("what expired can be replayed, and does not expire again", async (rig) => {
    const id = await rig.acceptOne({ placement: { expiresAt: rig.now() + hourMs } });
    rig.pass(hourMs + 1_000);
    await ended(rig, id);
    deepEqual(await rig.engine.replay(id), { kind: "moved" });
    await pastUpkeep(rig);
    const { claim } = await rig.takeOne();
    await rig.engine.settle(claim, done());
    equal(await rig.stateOf(id), "done");
  });

  check("what is not to begin yet may expire before anybody takes it", async (rig) => {
    const placement = { notBefore: rig.now() + hourMs, expiresAt: rig.now() + 2 * hourMs };
    const id = await rig.acceptOne({ placement });
    rig.pass(3 * hourMs);
    await rig.assertNothingToDeliver();
    await ended(rig, id);
    equal((await rig.engine.read(id))?.lastError?.code, "expired");
  });

  check("a store that is opened long after their time ends what expired", async (rig) => {
    const ids = await acceptAll(rig, 20, { expiresAt: rig.now() + hourMs });
    const kept = await rig.acceptOne();
    rig.pass(2 * hourMs);
    await rig.restart();
    deepEqual(idsOf(await rig.take(30)), [kept]);
    for (const id of ids) await ended(rig, id);
    equal((await rig.engine.backlog())[0]?.counts.dead, 20);
  });
}

async function acceptAll(rig: Rig, count: number, placement: Placement): Promise<readonly RequestId[]> {
  return (await rig.accept(...Array.from({ length: count }, () => request({ placement })))).map(({ id }) => id);
}

async function listed(rig: Rig, state: State): Promise<readonly RequestId[]> {
  return (await rig.engine.list({ queue: orders, state, limit: 10 })).map(({ id }) => id);
}

function placementOf(placement: Placement = noPlacement): Placement {
  return { notBefore: placement.notBefore, expiresAt: placement.expiresAt };
}

const upkeepMsMax = 10_000;

/** Upkeep ends what expired within a second or two. */
async function ended(rig: Rig, id: RequestId): Promise<void> {
  await rig.engine.replay(unknownId); // tells of the clock, and changes nothing
  for (const until = performance.now() + upkeepMsMax; performance.now() < until;) {
    if ((await rig.stateOf(id)) === "dead") return;
    await sleep(20);
  }
  equal(await rig.stateOf(id), "dead");
}

/** Long enough for upkeep to have looked: another request has expired meanwhile. */
async function pastUpkeep(rig: Rig): Promise<void> {
  const id = await rig.acceptOne({ queue: orders, placement: { notBefore: rig.now() + hourMs, expiresAt: rig.now() } });
  await ended(rig, id);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
