// The part of the contract that the promise rests on; the rest is in contract.long.test.ts.
import { newStore } from "../../../test/cluster-store.ts";
import { describeEngine, isOfPromise } from "../../engine/contract/suite.ts";

/** SLUICE_TEST_SEED runs the histories of a failed run again, SLUICE_TEST_RUNS runs more of them. */
const { SLUICE_TEST_SEED: seed = Date.now() % 2 ** 31, SLUICE_TEST_RUNS: runs = 10 } = process.env;

describeEngine({
  name: "cluster",
  newStore,
  pullsDueTimesIn: true,
  isToldOfCrashes: false,
  sharesRates: true,
  sharesTransactions: true,
  isShared: true,
  isMeant: isOfPromise,
  histories: { runs: Number(runs), seed: Number(seed) },
});
