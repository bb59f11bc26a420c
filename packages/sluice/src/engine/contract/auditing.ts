import { deepEqual, equal, fail, ok } from "node:assert/strict";
import type { Span } from "../../core/order-audit.ts";
import type { Placement } from "../../core/placement.ts";
import type { Delivery, Outcome } from "../../core/request.ts";
import { timeOfId, type RequestId } from "../../core/request-id.ts";
import type { Finding } from "../audit.ts";
import { boom, dead, done, hourMs, orders, queue, request, unknownId, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

export function auditingCases(check: Check): void {
  orderCases(check);
  check("what was accepted is in the chain, hour by hour, over a crash and a graceful close", async (rig) => {
    rig.pass(hourMs - (rig.now() % hourMs)); // an hour begins
    await rig.accept(request(), request(), request());
    await rig.crash();
    await rig.acceptOne();
    rig.pass(hourMs);
    await rig.restart();
    await rig.accept(request(), request());
    const { holds, hours, findings } = await rig.engine.audit();
    deepEqual([holds, findings], [true, []]);
    deepEqual(
      hours.map(({ queue: name, accepted, missing }) => [name, accepted, missing]),
      [
        [orders, 4, 0],
        [orders, 2, 0],
      ],
    );
    equal((hours[1]?.hourAt ?? 0) - (hours[0]?.hourAt ?? 0), hourMs);
  });

  check("neither a read nor a move waits for an audit", async (rig) => {
    const id = await rig.acceptOne();
    await rig.accept(...Array.from({ length: 5_000 }, () => request()));
    const answered: string[] = [];
    await Promise.all([
      rig.engine.audit().then(() => answered.push("audit")),
      rig.engine.read(id).then(() => answered.push("read")),
      rig.engine.cancel(id).then(() => answered.push("move")),
    ]);
    equal(answered.at(-1), "audit");
  });

  check("a receipt is proved by its link, whatever became of the request", async (rig) => {
    const [first, second] = await rig.accept(request(), request());
    const { claim } = await rig.takeOne();
    await rig.engine.settle(claim, done());
    for (const receipt of [first, second]) {
      const { verdict, link } = await rig.engine.prove(receipt?.id ?? claim.id);
      deepEqual([verdict, link?.chain, link?.place], ["stored", first?.id, 0]);
    }
    const third = await rig.acceptOne();
    equal((await rig.engine.prove(third)).verdict, "stored");
  });

  check(
    "a request that is put back behind a queue that goes on is not stuck while its time has not come",
    async (rig) => {
      const id = await rig.acceptOne();
      const { claim } = await rig.takeOne();
      await rig.engine.retry(claim, { dueAt: rig.now() + hourMs, failure: boom, isCounted: true });
      rig.pass(hourMs / 2);
      await rig.acceptOne();
      await rig.takeOne();
      deepEqual((await rig.engine.audit()).findings, []);
      equal(await rig.stateOf(id), "scheduled");
    },
  );

  check("an attempt that runs for longer than its queue allows is stuck, and the law holds", async (rig) => {
    const id = await rig.acceptOne();
    await rig.takeOne();
    const timeoutMsOf = new Map([[orders, 30_000]]);
    rig.pass(60_000);
    deepEqual((await rig.engine.audit({ timeoutMsOf })).findings, []);
    rig.pass(60_000);
    const { holds, findings } = await rig.engine.audit({ timeoutMsOf });
    deepEqual([holds, kindsOf(findings)], [true, [["stuck", id]]]);
  });

  for (const where of ["between others", "at its beginning"] as const) {
    check(
      `what the chain lacks ${where} is a gap: how many requests, and from when to when`,
      async (rig) => {
        rig.pass(hourMs - (rig.now() % hourMs)); // an hour begins
        const chain = await rig.acceptOne();
        rig.pass(1_000);
        const lost = (await rig.accept(request(), request())).map(({ id }) => id);
        rig.pass(1_000);
        const before = await rig.acceptOne();
        deepEqual([(await rig.engine.audit()).holds, (await rig.engine.prove(unknownId)).verdict], [true, "unknown"]);
        for (const id of where === "between others" ? lost.slice(1) : [chain, ...lost.slice(1)]) await rig.undo(id);
        const { holds, findings } = await rig.engine.audit();
        const [place, after] = where === "between others" ? [1, chain] : [0, undefined];
        const [fromAt, toAt] = [timeOfId(chain), timeOfId(before)];
        const gap = { chain, place, requests: 3 - place, after, before, fromAt, toAt };
        deepEqual(
          [holds, findings.map((finding) => ({ ...finding, what: "" }))],
          [false, [{ kind: "gap", queue: orders, id: before, what: "", gap }]],
        );
        for (const id of lost) deepEqual(await rig.engine.prove(id), { verdict: "gap", link: { chain, place } });
        deepEqual(
          [(await rig.engine.prove(before)).verdict, (await rig.engine.prove(unknownId)).verdict],
          ["stored", "unknown"],
        );
      },
      { isLawBroken: true },
    );
  }

  for (const key of [undefined, "a-key"]) {
    check(
      `a body that is changed in the store is found, and its request named, ${key === undefined ? "without" : "with"} a key`,
      async (rig) => {
        const [first, second] = await rig.accept(
          request(),
          request({ ...(key !== undefined && { key }), body: '{"total":12}' }),
        );
        const third = await rig.acceptOne();
        const id = second?.id ?? third;
        await rig.spoil(id);
        const { holds, findings } = await rig.engine.audit();
        deepEqual([holds, kindsOf(findings)], [false, [["changed", id]]]);
        const proofs = await Promise.all([first?.id ?? id, id, third].map((one) => rig.engine.prove(one)));
        deepEqual(
          proofs.map(({ verdict }) => verdict),
          ["stored", "changed", "stored"],
        );
      },
      { isLawBroken: true },
    );
  }

  for (const state of ["waiting", "done"] as const) {
    check(
      `a ${state} request that vanishes from the store is found, and proved lost, by its id`,
      async (rig) => {
        rig.pass(hourMs - (rig.now() % hourMs)); // an hour begins
        const [kept] = await rig.accept(request(), request({ queue: "others" }));
        const id = await rig.acceptOne();
        if (state === "done") for (const { claim } of await rig.take(2)) await rig.engine.settle(claim, done());
        await rig.vanish(id);
        const { holds, hours, findings } = await rig.engine.audit();
        equal(holds, false);
        ok(findings.some((one) => one.kind === "missing" && one.id === id && one.queue === orders));
        const counted = new Map(hours.map(({ queue: name, accepted, missing }) => [name, [accepted, missing]]));
        deepEqual(
          [counted.get(orders), counted.get("others")],
          [
            [2, 1],
            [1, 0],
          ],
        );
        equal((await rig.engine.prove(id)).verdict, "missing");
        equal((await rig.engine.prove(kept?.id ?? id)).verdict, "stored");
      },
      { queues: [queue(orders), queue("others")], isLawBroken: true },
    );
  }
}

function orderCases(check: Check): void {
  check("order keys under retries, deaths, replays, a cancel, an expiry and a crash show no inversion", async (rig) => {
    const a = await acceptEach(rig, [{ order: "a" }, { order: "a" }, { order: "a" }, { order: "a" }]);
    const [b] = await acceptEach(rig, [{ order: "b" }, { order: "b", expiresAt: rig.engine.clock.now() + 1 }, {}]);
    await settleNext(rig, a[0], dead);
    await rig.engine.replay(a[0]);
    await rig.engine.retry((await takeThe(rig, a[1])).claim, { dueAt: 0, failure: boom, isCounted: true });
    await rig.crash();
    await settleNext(rig, a[1], done());
    await rig.engine.cancel(a[2]);
    await settleNext(rig, b, done());
    await settleNext(rig, a[3], done());
    await takeThe(rig, a[0]); // runs
    const [late] = await acceptEach(rig, [{ order: "a" }]);
    equal(await rig.stateOf(late), "waiting");
    deepEqual(await rig.engine.auditOrder(), {
      holds: true,
      queues: [{ queue: orders, keys: 2, requests: 7, inversions: 0 }],
      inversions: [],
    });
  });

  check(
    "a request that began before the one before it had ended is found, with both spans",
    async (rig) => {
      const [first, second, other] = await acceptEach(rig, [{ order: "a" }, { order: "a" }, { order: "b" }]);
      for (let count = 0; count < 3; count += 1) await settleAny(rig);
      const before = (await rig.engine.read(first))?.startedAt ?? 0;
      await rig.misdate(second, { startedAt: before - 1_000, finishedAt: before - 500 });
      await rig.misdate(other, { startedAt: before - 1_000 });
      const { holds, queues, inversions } = await rig.engine.auditOrder();
      deepEqual([holds, queues], [false, [{ queue: orders, keys: 2, requests: 3, inversions: 1 }]]);
      deepEqual(inversions, [
        { queue: orders, order: "a", first: await spanOf(rig, first), second: await spanOf(rig, second) },
      ]);
    },
    { isLawBroken: true },
  );

  check(
    "an attempt that failed before the request before it had ended is found, whenever the last one began",
    async (rig) => {
      const [first, second] = await acceptEach(rig, [{ order: "a" }, { order: "a" }]);
      await settleNext(rig, first, done());
      await rig.engine.retry((await takeThe(rig, second)).claim, { dueAt: 0, failure: boom, isCounted: true });
      rig.pass(10_000);
      await settleNext(rig, second, done());
      equal((await rig.engine.auditOrder()).holds, true);
      const { startedAt = 0 } = (await rig.engine.read(second)) ?? {};
      await rig.misdate(first, { finishedAt: startedAt });
      const { inversions } = await rig.engine.auditOrder();
      deepEqual(
        inversions.map((one) => [one.first.id, one.second.id]),
        [[first, second]],
      );
    },
    { isLawBroken: true },
  );

  check(
    "a replayed request that began before one that was accepted before its replay is found",
    async (rig) => {
      const [first, second] = await acceptEach(rig, [{ order: "a" }, { order: "a" }]);
      await settleNext(rig, first, dead);
      rig.pass(10_000);
      await rig.engine.replay(first);
      await settleNext(rig, second, done());
      await settleNext(rig, first, done());
      equal((await rig.engine.auditOrder()).holds, true);
      await rig.misdate(first, { startedAt: ((await rig.engine.read(second))?.startedAt ?? 0) - 1_000 });
      const { inversions } = await rig.engine.auditOrder();
      deepEqual(
        inversions.map((one) => [one.first.id, one.second.id]),
        [[second, first]],
      );
    },
    { isLawBroken: true },
  );

  check(
    "a request that began while one before it has no outcome is found",
    async (rig) => {
      const [first, second] = await acceptEach(rig, [{ order: "a" }, { order: "a" }]);
      await settleNext(rig, first, done());
      await takeThe(rig, second); // runs
      equal((await rig.engine.auditOrder()).holds, true);
      await rig.misdate(first, undefined);
      const { inversions } = await rig.engine.auditOrder();
      deepEqual(
        inversions.map((one) => [one.first, one.second.id, one.second.finishedAt]),
        [[{ id: first, startedAt: undefined, finishedAt: undefined }, second, undefined]],
      );
    },
    { isLawBroken: true },
  );
}

type Ids<Placements extends readonly Placement[]> = { readonly [Index in keyof Placements]: RequestId };

/** One after the other. */
async function acceptEach<const Placements extends readonly Placement[]>(
  rig: Rig,
  placements: Placements,
): Promise<Ids<Placements>> {
  const ids: RequestId[] = [];
  for (const placement of placements) ids.push(await rig.acceptOne({ placement }));
  return ids as unknown as Ids<Placements>;
}

/** What comes before it is handed back. */
async function takeThe(rig: Rig, id: RequestId): Promise<Delivery> {
  const deliveries = await rig.take(10);
  for (const { claim } of deliveries)
    if (claim.id !== id) await rig.engine.retry(claim, { dueAt: 0, isCounted: false });
  return deliveries.find(({ claim }) => claim.id === id) ?? fail(`${id} was not delivered`);
}

async function settleNext(rig: Rig, id: RequestId, outcome: Outcome): Promise<void> {
  equal(await rig.engine.settle((await takeThe(rig, id)).claim, outcome), "settled");
}

async function settleAny(rig: Rig): Promise<void> {
  await rig.engine.settle((await rig.takeOne()).claim, done());
}

async function spanOf(rig: Rig, id: RequestId): Promise<Span> {
  const { startedAt, finishedAt } = (await rig.engine.read(id)) ?? fail(`${id} is unknown`);
  return { id, startedAt, finishedAt };
}

function kindsOf(findings: readonly Finding[]): readonly (readonly [string, string])[] {
  return findings.map(({ kind, id }) => [kind, id]);
}
