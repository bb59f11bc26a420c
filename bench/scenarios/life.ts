import { setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder } from "@sluice/testing";
import type { Peer, RunningPeer } from "../peers/peer.ts";
import { usageOf } from "../process-usage.ts";
import { runWrk } from "../wrk.ts";
import type { Figures, Scenario, Settings } from "./scenario.ts";

const lookEveryMs = 50;
const stuckAfterMs = 30_000;

/** How fast requests go the whole way: posted for a while, then drained, until the last result is stored. */
export const life: Scenario = {
  name: "life",
  title: "from POST to stored result, a second, backlog drained",
  figure: "perSecond",
  peers: ["bullmq", "textbook", "sluice", "cluster"],
  bounds: [
    { kind: "ratio", of: "sluice", to: "bullmq", atLeast: 2 },
    { kind: "ratio", of: "cluster", to: "textbook", atLeast: 3 },
  ],
  async measure(peer: Peer, { seconds, connections, profileFolder }: Settings): Promise<Figures> {
    await using folder = await temporaryFolder();
    await using running = await peer.start({ folder: folder.path, isWorking: true, profileFolder });
    const before = usageOf(running.pids);
    const startedAt = performance.now();
    await runWrk({ url: running.intakeUrl, seconds, connections });
    const finished = await drained(running);
    const elapsedSeconds = (performance.now() - startedAt) / 1_000;
    const after = usageOf(running.pids);
    return {
      perSecond: finished / elapsedSeconds,
      requests: finished,
      cpuSecondsPer100k: ((after.cpuSeconds - before.cpuSeconds) / finished) * 1e5,
      peakRssMb: after.peakRssMb,
    };
  },
};

/** No peer tells when its backlog is empty, so it is asked. */
async function drained(running: RunningPeer): Promise<number> {
  let last = { finished: -1, at: performance.now() };
  for (;;) {
    const { accepted, finished } = await running.counts();
    if (finished >= accepted) return finished;
    if (finished > last.finished) last = { finished, at: performance.now() };
    if (performance.now() - last.at > stuckAfterMs) throw new Error(`stuck at ${finished} of ${accepted} finished`);
    await sleep(lookEveryMs);
  }
}
