// The network is cut: between the primary and all others, between it and the cluster's processes, or between it and its
// standby. Packets vanish, and no connection is closed. What is on the wrong side may not give a receipt.
import { setTimeout as delay } from "node:timers/promises";
import type { Played } from "../../scenario.ts";
import { SkippedError } from "../../scenario.ts";
import {
  forbidReceipts,
  promote,
  rejoin,
  underFailover,
  type FailoverPlayOptions,
  type FailoverScenario,
  type Field,
} from "../failover.ts";
import { openMachines, type Machines } from "../machines.ts";

/** What the primary does not reach. */
const cuts = ["all", "here", "standby"] as const;
const noticedMs = 1_000;
const withoutStandbyMs = 3_000;
const unfencedMs = 1_000;

export const network: FailoverScenario = {
  name: "network-cut",
  fault: "network cut between the primary and all others, the gateways and workers, or the standby, which is promoted",
  play,
};

async function play(options: FailoverPlayOptions): Promise<Played> {
  if (!options.isNetworkOwn) throw new SkippedError("network namespaces take root");
  await using network = await openMachines();
  const { machines } = network;
  const known = { ...options, front: undefined }; // what could be in front does not reach them
  return await underFailover(known, { name: "network-cut", machines }, (field) => cutAgainAndAgain(field, network));
}

async function cutAgainAndAgain(field: Field, network: Machines): Promise<void> {
  const { pair, stage, sender, random, rounds } = field;
  for (let round = 0; round < rounds; round += 1) {
    await sender.acceptedMore(random.between(10, 100));
    const [primary, standby] = pair.machines;
    const cut = cuts[round % cuts.length] as (typeof cuts)[number];
    await network.cut(primary, [...(cut === "standby" ? [] : ["here" as const]), ...(cut === "here" ? [] : [standby])]);
    if (cut !== "standby") await delay(noticedMs);
    else {
      const from = stage.ledger.lines.length;
      await delay(withoutStandbyMs);
      forbidReceipts(field, from, "came while the standby was cut off");
      await pair.kill(pair.primary);
    }
    await promote(field);
    await network.heal(primary);
    await delay(unfencedMs); // the old primary, if it lives, takes itself for the primary still
    await rejoin(field);
  }
}
