import { temporaryFolder } from "@sluice/testing";
import type { Peer } from "../peers/peer.ts";
import { totalOf, usageOf, usedBetween } from "../process-usage.ts";
import { runWrk, type Places } from "../wrk.ts";
import type { Measured, Scenario, Settings } from "./scenario.ts";
import { untilFinished } from "./until-finished.ts";

/** What a peer must be told before the first request with an order key. */
const placedEnv = { PG_BOSS_POLICY: "key_strict_fifo" };

/** How fast requests go the whole way: posted for a while, then drained, until the last result is stored. */
export const life: Scenario = {
  name: "life",
  title: "from POST to stored result, a second, backlog drained",
  figure: "perSecond",
  peers: ["bullmq", "textbook", "pg-boss", "graphile-worker", "sluice", "cluster", "cluster-postgres"],
  bounds: [
    { kind: "ratio", of: "sluice", to: "bullmq", atLeast: 2 },
    { kind: "ratio", of: "cluster", to: "textbook", atLeast: 3 },
    { kind: "ratio", of: "cluster-postgres", to: "cluster", atLeast: 0.9 },
  ],
  measure: (peer, settings) => live(peer, settings),
};

export interface Lived extends Measured {
  readonly figures: Readonly<Record<"perSecond" | "requests" | "cpuSecondsPer100k" | "peakRssMb", number>>;
}

export async function live(peer: Peer, settings: Settings, places?: Places): Promise<Lived> {
  const { seconds, connections, profileFolder } = settings;
  const env = places && placedEnv;
  await using folder = await temporaryFolder();
  await using running = await peer.start({ folder: folder.path, isWorking: true, profileFolder, env });
  const before = usageOf(running.processes);
  const startedAt = performance.now();
  await runWrk({ url: running.intakeUrl, seconds, connections, places });
  const finished = await untilFinished(running, ({ accepted }) => accepted);
  const elapsedSeconds = (performance.now() - startedAt) / 1_000;
  const usage = usedBetween(before, usageOf(running.processes));
  const { cpuSeconds, peakRssMb } = totalOf(usage);
  return {
    figures: {
      perSecond: finished / elapsedSeconds,
      requests: finished,
      cpuSecondsPer100k: (cpuSeconds / finished) * 1e5,
      peakRssMb,
    },
    usage,
  };
}
