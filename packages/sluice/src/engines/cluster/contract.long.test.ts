// The part of the contract that contract.test.ts leaves out.
import { newStore } from "../../../test/cluster-store.ts";
import { describeEngine, isOfPromise } from "../../engine/contract/suite.ts";

describeEngine({
  name: "cluster",
  newStore,
  pullsDueTimesIn: true,
  isToldOfCrashes: false,
  hasLines: false,
  sharesRates: true,
  sharesTransactions: true,
  isShared: true,
  isMeant: (theme) => !isOfPromise(theme),
  histories: undefined,
});
