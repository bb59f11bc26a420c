// What carriers lose is found again (I6). For engines that have carriers.
import { deepEqual, equal, fail } from "node:assert/strict";
import { done, hourMs, idsOf, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

export function healingCases(check: Check): void {
  check("what carriers have lost is stuck once it is overtaken, and is delivered once it is healed", async (rig) => {
    const back = await rig.acceptOne();
    await rig.engine.retry((await rig.takeOne()).claim, { dueAt: 0, isCounted: false });
    const fresh = await rig.acceptOne();
    await rig.loseHints();
    equal(await heal(rig), 0);
    rig.pass(2 * hourMs);
    const later = await rig.acceptOne();
    const [overtaking] = await rig.deliver(10);
    equal(overtaking?.claim.id, later);
    const stuck = async (): Promise<readonly unknown[]> =>
      (await rig.engine.audit()).findings.map(({ kind, id }) => [kind, id]);
    deepEqual(await stuck(), [
      ["stuck", fresh],
      ["stuck", back],
    ]);
    equal(await heal(rig), 2);
    const healed = await rig.take(10);
    deepEqual(idsOf(healed).toSorted(), [back, fresh]);
    for (const { claim } of healed) equal(await rig.engine.settle(claim, done()), "settled");
    deepEqual([await heal(rig), await stuck()], [0, []]);
  });
}

function heal({ engine }: Rig): Promise<number> {
  return engine.heal?.() ?? fail("it has no carriers that lose anything");
}
