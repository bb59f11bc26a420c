import { temporaryFolder } from "@sluice/testing";
import type { Peer } from "../peers/peer.ts";
import { workingConfig } from "../peers/sluice.ts";
import { openStore } from "../peers/store.ts";
import { totalOf, usageOf, usedBetween } from "../process-usage.ts";
import type { UsageByRole } from "../process-usage.ts";
import { runWrk } from "../wrk.ts";
import { fill } from "./fill.ts";
import type { Measured, Scenario, Settings } from "./scenario.ts";
import { untilFinished } from "./until-finished.ts";

const warmUpSeconds = 2;

/**
 * Life while a backlog waits ahead: requests are posted for a while, the clock stops when at least as many are finished, and
 * what counts is how many were finished. With nothing waiting these are the posted ones, as in life; else they are the oldest,
 * and may be more than were posted meanwhile. Each time Sluice has just started and had a moment to warm up.
 */
export const backlog: Scenario = {
  name: "backlog",
  title: "finished a second while others are posted, with nothing waiting, a tenth of --waiting, and all of it",
  figure: "perSecond",
  peers: ["sluice", "cluster", "cluster-postgres"],
  bounds: [
    { kind: "floor", of: "sluice", figure: "leastShare", atLeast: 0.9 },
    { kind: "floor", of: "cluster", figure: "leastShare", atLeast: 0.9 },
  ],
  async measure(peer: Peer, settings: Settings): Promise<Measured> {
    const none = await livedBehind(0, peer, settings);
    const few = await livedBehind(Math.ceil(settings.waiting / 10), peer, settings);
    const many = await livedBehind(settings.waiting, peer, settings);
    return {
      figures: {
        perSecond: none.perSecond,
        perSecondFew: few.perSecond,
        perSecondMany: many.perSecond,
        postedPerSecondMany: many.postedPerSecond,
        leastShare: Math.min(few.perSecond, many.perSecond) / none.perSecond,
        peakRssMb: none.ownRssMb,
        manyRssMb: many.ownRssMb,
      },
      usage: many.usage,
    };
  },
};

interface Lived {
  readonly perSecond: number;
  readonly postedPerSecond: number;
  /** Of Sluice's own processes. */
  readonly ownRssMb: number;
  readonly usage: UsageByRole;
}

async function livedBehind(waiting: number, peer: Peer, { seconds, connections }: Settings): Promise<Lived> {
  await using folder = await temporaryFolder();
  await using store = await openStore(peer.name, folder.path);
  await fill(store, waiting);
  await using running = await store.start({ configFile: workingConfig, isWorking: true });
  const url = running.intakeUrl;
  await runWrk({ url, seconds: warmUpSeconds, connections });
  const before = usageOf(running.processes);
  const { finished: finishedBefore } = await running.counts();
  const startedAt = performance.now();
  const { answers } = await runWrk({ url, seconds, connections });
  const finished = await untilFinished(running, () => finishedBefore + answers);
  const elapsedSeconds = (performance.now() - startedAt) / 1_000;
  return {
    perSecond: (finished - finishedBefore) / elapsedSeconds,
    postedPerSecond: answers / elapsedSeconds,
    ownRssMb: totalOf(usageOf(running.own)).peakRssMb,
    usage: usedBetween(before, usageOf(running.processes)),
  };
}
