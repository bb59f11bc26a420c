// A handler's effect in the transaction of its outcome: both or neither. For engines whose store shares its transactions.
import { deepEqual, equal, fail, rejects } from "node:assert/strict";
import type { Claim, Outcome } from "../../core/request.ts";
import type { SettleResult } from "../engine.ts";
import { boom, done, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

export function transactingCases(check: Check): void {
  check("an effect and its outcome have both, or neither when the handler fails (I2)", async (rig) => {
    for (const [outcome, ...expected] of [
      [done("made"), "settled", 1, "done"],
      [{ kind: "dead", failure: boom }, "settled", 1, "dead"],
      [undefined, "rolled-back", 0, "running"],
    ] as const) {
      await rig.acceptOne();
      const { claim } = await rig.takeOne();
      const end = await transact(rig, claim, async () => outcome);
      deepEqual([end, await rig.effectsOf(claim.id), await rig.stateOf(claim.id)], expected);
    }
  });

  check("what throws has no effect, and its claim is as good as before", async (rig) => {
    await rig.acceptOne();
    const { claim } = await rig.takeOne();
    const thrown = new Error("boom");
    await rejects(
      transact(rig, claim, () => Promise.reject(thrown)),
      thrown,
    );
    deepEqual([await rig.effectsOf(claim.id), await rig.stateOf(claim.id)], [0, "running"]);
    equal(await transact(rig, claim, async () => done()), "settled");
    equal(await rig.effectsOf(claim.id), 1);
  });

  check(
    "an effect whose outcome is not the first is undone, also when it is its own a second time (I3)",
    async (rig) => {
      await rig.acceptOne();
      const { claim } = await rig.takeOne();
      const late = await transact(rig, claim, async () => {
        equal(await rig.engine.settle(claim, done("first")), "settled");
        return done("late");
      });
      deepEqual([late, await rig.effectsOf(claim.id), await rig.stateOf(claim.id)], ["superseded", 0, "done"]);
      await rig.acceptOne();
      const twice = (await rig.takeOne()).claim;
      equal(await transact(rig, twice, async () => done("first")), "settled");
      equal(await transact(rig, twice, async () => done("again")), "superseded");
      equal(await rig.effectsOf(twice.id), 1);
    },
  );

  check("a kill before the commit leaves neither, and the claim from before it has no effect (I3)", async (rig) => {
    const id = await rig.acceptOne();
    const first = await rig.takeOne();
    await rejects(
      transact(rig, first.claim, async () => {
        await rig.crash();
        return done("lost");
      }),
      { code: "store-unavailable" },
    );
    deepEqual([await rig.effectsOf(id), await rig.stateOf(id)], [0, "waiting"]);
    const second = await rig.takeOne();
    equal(await transact(rig, first.claim, async () => done("late")), "superseded");
    deepEqual([await rig.effectsOf(id), await rig.stateOf(id)], [0, "running"]);
    equal(await transact(rig, second.claim, async () => done()), "settled");
    equal(await rig.effectsOf(id), 1);
  });
}

/** Its handler has had its effect when `end` begins. */
async function transact(
  { engine }: Rig,
  claim: Claim,
  end: () => Promise<Outcome | undefined>,
): Promise<SettleResult | "rolled-back"> {
  if (engine.transact === undefined) fail("it shares no transaction");
  return engine.transact(claim, async (sql) => {
    await sql.query("INSERT INTO effects VALUES ($1)", [claim.id]);
    return end();
  });
}
