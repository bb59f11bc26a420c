import { temporaryFolder } from "@sluice/testing";
import { getJson } from "../peers/get-json.ts";
import type { Peer } from "../peers/peer.ts";
import { openStore } from "../peers/store.ts";
import type { Store } from "../peers/store.ts";
import { totalOf, usageOf } from "../process-usage.ts";
import type { UsageByRole } from "../process-usage.ts";
import { fill, holdingConfig } from "./fill.ts";
import type { Measured, Scenario, Settings } from "./scenario.ts";

/**
 * What a great backlog costs: memory while it builds up and after a crash, and how soon the first request is delivered
 * when Sluice starts again. A cluster's servers stay up.
 */
export const restart: Scenario = {
  name: "restart",
  title: "a great backlog: sent in batches, then Sluice is killed and started again",
  figure: "firstDeliverySeconds",
  peers: ["sluice", "cluster", "cluster-postgres"],
  bounds: [
    { kind: "limit", of: "sluice", figure: "firstDeliverySeconds", atMost: 2 },
    { kind: "limit", of: "cluster", figure: "firstDeliverySeconds", atMost: 2 },
    { kind: "limit", of: "sluice", figure: "peakRssMb", atMost: 300 },
    { kind: "limit", of: "sluice", figure: "restartedRssMb", atMost: 300 },
  ],
  async measure(peer: Peer, settings: Settings): Promise<Measured> {
    await using folder = await temporaryFolder();
    await using store = await openStore(peer.name, folder.path);
    const filled = await fill(store, settings.waiting);
    const restarted = await startAgain(store, settings);
    return {
      figures: {
        perSecond: filled.perSecond,
        requests: settings.waiting,
        firstDeliverySeconds: restarted.firstDeliverySeconds,
        peakRssMb: filled.peakRssMb,
        restartedRssMb: restarted.peakRssMb,
      },
      usage: restarted.usage,
    };
  },
};

interface Restarted {
  readonly firstDeliverySeconds: number;
  /** Of Sluice's own processes. */
  readonly peakRssMb: number;
  readonly usage: UsageByRole;
}

async function startAgain(store: Store, { waiting: requests, profileFolder }: Settings): Promise<Restarted> {
  const startedAt = performance.now();
  await using running = await store.start({ configFile: holdingConfig, isWorking: true, profileFolder });
  await running.line(/^delivered /);
  const firstDeliverySeconds = (performance.now() - startedAt) / 1_000;
  const queue = (await getJson(running.queueUrl)) as { readonly backlog: number };
  if (queue.backlog < requests) throw new Error(`${requests} were accepted, ${queue.backlog} wait after the restart`);
  const { peakRssMb } = totalOf(usageOf(running.own));
  const usage = usageOf(running.processes);
  if (profileFolder === undefined) await running.kill(); // its handler would hold on for all of the grace
  return { firstDeliverySeconds, peakRssMb, usage };
}
