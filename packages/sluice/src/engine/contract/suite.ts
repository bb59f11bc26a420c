// The contract of an engine. Every engine passes all of it, and the law must hold at the end of each case.
import { deepEqual } from "node:assert/strict";
import { describe, test } from "node:test";
import { acceptingCases } from "./accepting.ts";
import { auditingCases } from "./auditing.ts";
import { boundsCases } from "./bounds.ts";
import { callingBackCases } from "./calling-back.ts";
import { clocksCases, dueTimesCases } from "./clocks.ts";
import { closingCases } from "./closing.ts";
import { crashingCases } from "./crashing.ts";
import { deliveringCases } from "./delivering.ts";
import { healingCases } from "./healing.ts";
import { leadingCases, succeedingCases } from "./leading.ts";
import { operatingCases } from "./operating.ts";
import { liningHistoryCases } from "./lining-histories.ts";
import { liningCases } from "./lining.ts";
import { placingCases } from "./placing.ts";
import { poisonCases } from "./poison.ts";
import { randomCases } from "./random.ts";
import { readingCases } from "./reading.ts";
import { restartsCases } from "./restarts.ts";
import { retryingCases } from "./retrying.ts";
import { Rig, type NewStore, type RigOptions } from "./rig.ts";
import { refusingCases } from "./refusing.ts";
import { startsCases } from "./starts.ts";
import { settlingCases } from "./settling.ts";
import { transactingCases } from "./transacting.ts";
import { watchingCases } from "./watching.ts";

/** States one behaviour, shown on a store of its own. */
export type Check = (behaviour: string, show: (rig: Rig) => Promise<void>, options?: RigOptions) => void;

export interface EngineUnderTest {
  readonly name: string;
  readonly newStore: NewStore;
  /** Whether a due time that a clock ahead has set is pulled in once the clock is set right. */
  readonly pullsDueTimesIn: boolean;
  /** Whether it has `crashed`: its workers may be processes that die while it goes on. */
  readonly isToldOfCrashes: boolean;
  /** Whether it has `starts`: several workers of a queue share its rate. */
  readonly sharesRates: boolean;
  /** Whether it has `transact`: a handler's effect can lie in its store. */
  readonly sharesTransactions: boolean;
  /** Whether several processes can have its store open: one of them leads, and `heal` finds what carriers between them lose. */
  readonly isShared: boolean;
  /** Which themes are shown; all unless given. */
  readonly isMeant?: (theme: string) => boolean;
  /** How many random histories are run, and the seed they come from; none where undefined. */
  readonly histories: { readonly runs: number; readonly seed: number } | undefined;
}

const ofWhatIsTold = ["reading", "watching", "clocks", "due times", "calling back", "auditing"];
const ofBounds = ["bounds", "starts"];
const ofLongWaits = ["succeeding", "healing", "placing", "lining", "lining histories"];

/** What no request may get lost or done twice by, as far as that shows at once. */
export function isOfPromise(theme: string): boolean {
  return ![...ofWhatIsTold, ...ofBounds, ...ofLongWaits].includes(theme);
}

const caseMsMax = 30_000;

export function describeEngine(engine: EngineUnderTest): void {
  const { name, newStore, pullsDueTimesIn, isToldOfCrashes, sharesRates, sharesTransactions, isShared } = engine;
  const { isMeant = () => true, histories } = engine;
  const check: Check = (behaviour, show, options) => {
    test(behaviour, { timeout: caseMsMax }, async () => {
      await using rig = await Rig.open(newStore, options);
      await show(rig);
      if (options?.isLawBroken !== true) await rig.assertLaw();
    });
  };
  const verbsCases = (): void =>
    check("it has each verb that its description says it has, and no other", async (rig) => {
      const has = (["crashed", "starts", "transact", "heal"] as const).map((verb) => rig.engine[verb] !== undefined);
      deepEqual(has, [isToldOfCrashes, sharesRates, sharesTransactions, isShared]);
    });
  const themes = {
    verbs: verbsCases,
    accepting: acceptingCases,
    bounds: boundsCases,
    delivering: deliveringCases,
    settling: settlingCases,
    retrying: retryingCases,
    placing: placingCases,
    refusing: refusingCases,
    operating: operatingCases,
    reading: readingCases,
    watching: watchingCases,
    restarts: restartsCases,
    poison: poisonCases,
    clocks: clocksCases,
    ...(pullsDueTimesIn && { "due times": dueTimesCases }),
    lining: liningCases,
    ...(sharesRates && { starts: startsCases }),
    ...(isToldOfCrashes && { crashing: crashingCases }),
    ...(sharesTransactions && { transacting: transactingCases }),
    ...(isShared && { leading: leadingCases, succeeding: succeedingCases, healing: healingCases }),
    "calling back": callingBackCases,
    auditing: auditingCases,
    closing: closingCases,
  };
  describe(`the ${name} engine`, () => {
    for (const [theme, cases] of Object.entries(themes)) if (isMeant(theme)) describe(theme, () => cases(check));
    if (histories !== undefined && isMeant("random histories"))
      describe("random histories", () => randomCases({ newStore, ...histories }));
    if (histories !== undefined && isMeant("lining histories"))
      describe("lining histories", () =>
        liningHistoryCases(check, { ...histories, runs: Math.ceil(histories.runs / 4) }));
  });
}
