// Several processes on one store: one of them leads, and another one once it is gone. For engines that can be shared.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Claim } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import { boom, done, hourMs, idsOf, orders, type Candidate, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

/** For longer than one lasts that is not renewed. */
const termMs = 400;

export function leadingCases(check: Check): void {
  check("a newer term wins: what the older leader does then changes nothing", async (rig) => {
    await rig.engine.close();
    await using older = await rig.candidate();
    await using newer = await rig.candidate();
    const term = await ledBy(older);
    await older.act(term, 1);
    equal(newer.term, undefined);
    {
      using _silent = await older.hang();
      ok((await ledBy(newer)) > term);
      await rejects(older.act(term, 2), { code: "lost-claim" });
    }
    await until(() => older.term === undefined);
    await rig.restart();
    equal(await replicasAsked(rig), 1);
  });

  check("nobody takes the lead in the middle of an act, and its leader keeps the term meanwhile", async (rig) => {
    await rig.engine.close();
    await using leader = await rig.candidate();
    const term = await ledBy(leader);
    await using other = await rig.candidate();
    await leader.act(term, 3, async () => {
      await sleep(termMs);
      deepEqual([leader.term, other.term], [term, undefined]);
      using _silent = await leader.hang();
      await sleep(termMs);
      equal(other.term, undefined);
    });
    await rig.restart();
    equal(await replicasAsked(rig), 3);
  });
}

/** How the lead passes on, and what for: these wait for what is silent. */
export function succeedingCases(check: Check): void {
  check("when a leader dies another hands back what it ran, and hints what comes due", async (rig) => {
    const { later, claim } = await scheduleAndTake(rig);
    await rig.join();
    await rig.crash();
    const [delivery] = await rig.deliver();
    deepEqual([delivery?.claim.id, delivery?.attempt], [claim.id, 1]);
    rig.pass(hourMs);
    deepEqual(idsOf(await rig.deliver()), [later]);
  });

  check(
    "a crash beside others is counted by the same rule: the one too many ends dead (I4)",
    async (rig) => {
      const id = await rig.acceptOne();
      await rig.takeOne();
      await rig.join();
      await rig.crash();
      deepEqual(idsOf(await rig.deliver()), [id]);
      await rig.join();
      await rig.crash();
      await until(async () => (await rig.stateOf(id)) !== "running");
      const status = await rig.engine.read(id);
      deepEqual([status?.state, status?.lastError?.code, status?.attempts], ["dead", "poison", 0]);
    },
    { crashesMax: 2 },
  );

  check("a process whose sessions the server ends keeps its claims, and leads on (I4)", async (rig) => {
    const { later, claim } = await scheduleAndTake(rig);
    await rig.endSessions();
    await sleep(1_000); // the leader finds a dead member within that time
    rig.pass(hourMs);
    deepEqual(idsOf(await rig.deliver()), [later]);
    equal(await rig.engine.settle(claim, done()), "settled");
  });

  check("a leader leads on by a new session, while the server still holds its old one", async (rig) => {
    await rig.engine.close();
    await using only = await rig.candidate();
    const term = await ledBy(only);
    {
      using _silent = await only.hang();
      await until(() => only.term === undefined);
      equal(await ledBy(only), term);
    }
    await rig.restart();
  });

  check("a leader that stops in the middle of an act does not lead for ever", async (rig) => {
    await rig.engine.close();
    await using leader = await rig.candidate();
    const term = await ledBy(leader);
    await using next = await rig.candidate();
    await rejects(
      leader.act(term, 4, async () => {
        using _silent = await leader.hang();
        ok((await ledBy(next)) > term);
      }),
      { code: "store-unavailable" },
    );
    await rig.restart();
    equal(await replicasAsked(rig), undefined);
  });
}

/** One request comes due in an hour, one runs. */
async function scheduleAndTake(rig: Rig): Promise<{ readonly later: RequestId; readonly claim: Claim }> {
  const later = await rig.acceptOne();
  await rig.acceptOne();
  await rig.engine.retry((await rig.takeOne()).claim, { dueAt: rig.now() + hourMs, failure: boom, isCounted: true });
  return { later, claim: (await rig.takeOne()).claim };
}

async function ledBy(candidate: Candidate): Promise<number> {
  await until(() => candidate.term !== undefined);
  return candidate.term ?? Number.NaN;
}

async function replicasAsked({ engine }: Rig): Promise<number | undefined> {
  return (await engine.backlog(orders))[0]?.replicasAsked;
}

/** Polls: nobody tells. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(5);
}
