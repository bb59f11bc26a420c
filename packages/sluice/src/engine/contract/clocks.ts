import { deepEqual, equal } from "node:assert/strict";
import { boom, dead, done, hourMs, idsOf, orders, request, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

const yearMs = 365 * 24 * hourMs;
/** What a clock that was set right costs at most, beside the wait that was meant. */
const delayMsMax = 5_000;

const restarts: Readonly<Record<string, (rig: Rig) => Promise<void>>> = {
  "while it goes on": () => Promise.resolve(),
  "over a restart": (rig) => rig.restart(),
  "over a crash": (rig) => rig.crash(),
};

export function clocksCases(check: Check): void {
  for (const [when, restart] of Object.entries(restarts)) {
    check(`a request accepted after the clock stepped back is delivered, ${when}`, async (rig) => {
      await rig.acceptOne();
      await rig.engine.settle((await rig.takeOne()).claim, done());
      rig.pass(-yearMs);
      await restart(rig);
      const [second, third] = await rig.accept(request(), request());
      deepEqual(idsOf(await rig.take(2)), [second?.id, third?.id]);
    });

    check(`what a clock that was a year behind left is delivered when it is set right, ${when}`, async (rig) => {
      rig.pass(-yearMs);
      await rig.accept(request(), request());
      const { claim } = await rig.takeOne();
      await rig.engine.retry(claim, { dueAt: rig.now() + hourMs, failure: boom, isCounted: true });
      rig.pass(yearMs);
      await restart(rig);
      equal(await runAll(rig, 2), 2);
    });
  }
}

/** Of an engine that pulls due times in. */
export function dueTimesCases(check: Check): void {
  for (const [when, restart] of Object.entries(restarts)) {
    check(`a clock that was a year ahead and is set right keeps nobody waiting, ${when}`, async (rig) => {
      rig.pass(yearMs);
      const ids = (await rig.accept(...Array.from({ length: 6 }, () => request()))).map(({ id }) => id);
      const [running, failed, finished, replayed] = await rig.take(4);
      if (!running || !failed || !finished || !replayed) throw new Error("four were delivered");
      await rig.engine.retry(failed.claim, { dueAt: rig.now() + 500, failure: boom, isCounted: true });
      await rig.engine.settle(finished.claim, done());
      await rig.engine.settle(replayed.claim, dead);
      await rig.engine.replay(replayed.claim.id);
      await rig.engine.cancel(ids[5] as (typeof ids)[number]);
      rig.pass(-yearMs);
      await restart(rig);
      const settled = await rig.engine.settle(running.claim, done());
      const left = settled === "settled" ? 3 : 4; // a restart takes what ran away from its worker
      equal(await runAll(rig, left), left);
      equal((await rig.engine.backlog())[0]?.backlog, 0);
    });
  }
}

/** Runs what is deliverable within the time that a clock may cost. */
async function runAll({ engine }: Rig, count: number): Promise<number> {
  const signal = AbortSignal.timeout(delayMsMax);
  let ran = 0;
  while (ran < count && !signal.aborted) {
    const deliveries = await engine.deliver({ queue: orders, max: count, signal });
    for (const { claim } of deliveries) await engine.settle(claim, done());
    ran += deliveries.length;
  }
  return ran;
}
