import { temporaryFolder } from "@sluice/testing";
import type { Peer, RunningPeer } from "../peers/peer.ts";
import { totalOf, usageOf, usedBetween } from "../process-usage.ts";
import { runWrk } from "../wrk.ts";
import type { Measured, Scenario, Settings } from "./scenario.ts";

const warmUpSeconds = 2;

/** How fast requests are stored and answered while none is worked on. */
export const intake: Scenario = {
  name: "intake",
  title: "durable 202s a second",
  figure: "perSecond",
  peers: ["bare", "bullmq", "textbook", "pg-boss", "graphile-worker", "sluice", "cluster", "cluster-postgres"],
  bounds: [
    { kind: "ratio", of: "sluice", to: "bare", atLeast: 0.5 },
    { kind: "ratio", of: "sluice", to: "bullmq", atLeast: 1.5 },
    { kind: "ratio", of: "cluster", to: "textbook", atLeast: 1 },
    { kind: "ratio", of: "cluster-postgres", to: "cluster", atLeast: 1 },
  ],
  async measure(peer: Peer, { seconds, connections, profileFolder }: Settings): Promise<Measured> {
    await using folder = await temporaryFolder();
    await using running = await peer.start({ folder: folder.path, isWorking: false, profileFolder });
    const url = running.intakeUrl;
    const warmUp = await runWrk({ url, seconds: warmUpSeconds, connections });
    const before = usageOf(running.processes);
    const report = await runWrk({ url, seconds, connections });
    const usage = usedBetween(before, usageOf(running.processes));
    await expectAccepted(running, warmUp.answers + report.answers);
    const { cpuSeconds, peakRssMb } = totalOf(usage);
    return {
      figures: {
        perSecond: report.perSecond,
        p50Ms: report.p50Ms,
        p99Ms: report.p99Ms,
        requests: report.answers,
        cpuSecondsPer100k: (cpuSeconds / report.answers) * 1e5,
        peakRssMb,
      },
      usage,
    };
  },
};

/** An answer that stands for nothing stored is no 202. */
export async function expectAccepted(running: RunningPeer, answers: number): Promise<void> {
  const { accepted } = await running.counts();
  if (accepted < answers)
    throw new Error(`${running.intakeUrl} gave ${answers} answers and accepted ${accepted} requests`);
}
