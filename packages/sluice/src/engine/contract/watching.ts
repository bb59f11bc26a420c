import { deepEqual, equal } from "node:assert/strict";
import type { Change } from "../engine.ts";
import { boom, dead, done, hourMs, type Rig } from "./rig.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { Check } from "./suite.ts";

export function watchingCases(check: Check): void {
  check("who watches a request sees each of its states in order", async (rig) => {
    const id = await rig.acceptOne();
    const seen = watchStates(rig, id);
    const { claim } = await rig.takeOne();
    await rig.engine.retry(claim, { dueAt: rig.now() + hourMs, failure: boom, isCounted: true });
    rig.pass(2 * hourMs);
    await rig.engine.settle((await rig.takeOne()).claim, dead);
    await rig.engine.replay(id);
    await rig.engine.settle((await rig.takeOne()).claim, done());
    deepEqual(seen, ["running", "scheduled", "running", "dead", "waiting", "running", "done"]);
  });

  check("who watches sees a hand-back, a bulk replay and a cancel", async (rig) => {
    const id = await rig.acceptOne();
    const seen = watchStates(rig, id);
    await rig.engine.settle((await rig.takeOne()).claim, dead);
    await rig.engine.replayMany({ queue: "orders", limit: 10, isDryRun: false });
    await rig.engine.retry((await rig.takeOne()).claim, { dueAt: 0, isCounted: false });
    await rig.engine.cancel(id);
    deepEqual(seen, ["running", "dead", "waiting", "running", "waiting", "cancelled"]);
  });

  check("who watches sees progress, and nothing that was refused", async (rig) => {
    const id = await rig.acceptOne();
    const seen: Change[] = [];
    using _watch = rig.engine.watch(id, (change) => seen.push(change));
    const { claim } = await rig.takeOne();
    rig.engine.report(claim, 1);
    await rig.engine.cancel(id);
    await rig.engine.settle(claim, done());
    await rig.engine.settle(claim, dead);
    deepEqual(
      seen.map((change) => (change.kind === "state" ? change.state : change.progress)),
      ["running", 1, "done"],
    );
  });

  check("who stopped watching sees nothing more, and others go on", async (rig) => {
    const id = await rig.acceptOne();
    const stopped: Change[] = [];
    const watch = rig.engine.watch(id, (change) => stopped.push(change));
    const seen = watchStates(rig, id);
    watch[Symbol.dispose]();
    watch[Symbol.dispose]();
    await rig.takeOne();
    equal(stopped.length, 0);
    deepEqual(seen, ["running"]);
  });
}

/** Fills as the states come; the watch ends with the engine. */
function watchStates(rig: Rig, id: RequestId): readonly string[] {
  const seen: string[] = [];
  rig.engine.watch(id, (change) => {
    if (change.kind === "state") seen.push(change.state);
  });
  return seen;
}
