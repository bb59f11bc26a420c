import { deepEqual, equal, ok } from "node:assert/strict";
import { timeOfId } from "../../core/request-id.ts";
import type { Finding } from "../audit.ts";
import { boom, done, hourMs, orders, queue, request, unknownId } from "./rig.ts";
import type { Check } from "./suite.ts";

export function auditingCases(check: Check): void {
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

function kindsOf(findings: readonly Finding[]): readonly (readonly [string, string])[] {
  return findings.map(({ kind, id }) => [kind, id]);
}
