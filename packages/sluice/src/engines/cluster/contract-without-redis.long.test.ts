// The part of the contract that Redis has a part in, on the ledger alone. All of it: SLUICE_TEST_CARRIERS=rabbitmq with
// contract.test.ts and contract.long.test.ts.
import { withoutRedis } from "../../../test/cluster-store.ts";
import { describeEngine } from "../../engine/contract/suite.ts";

describeEngine({
  name: "cluster without Redis",
  newStore: withoutRedis(),
  pullsDueTimesIn: true,
  isToldOfCrashes: false,
  sharesRates: true,
  sharesTransactions: true,
  isShared: true,
  isMeant: (theme) => ["watching", "starts", "restarts"].includes(theme),
  histories: undefined,
});
