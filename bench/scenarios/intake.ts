import { temporaryFolder } from "@sluice/testing";
import type { Peer, RunningPeer } from "../peers/peer.ts";
import { usageOf } from "../process-usage.ts";
import { runWrk } from "../wrk.ts";
import type { Figures, Scenario, Settings } from "./scenario.ts";

const warmUpSeconds = 2;

/** How fast requests are stored and answered while none is worked on. */
export const intake: Scenario = {
  name: "intake",
  title: "durable 202s a second",
  figure: "perSecond",
  peers: ["bare", "bullmq", "textbook", "sluice", "cluster"],
  bounds: [
    { kind: "ratio", of: "sluice", to: "bare", atLeast: 0.5 },
    { kind: "ratio", of: "sluice", to: "bullmq", atLeast: 1.5 },
    { kind: "ratio", of: "cluster", to: "textbook", atLeast: 1 },
  ],
  async measure(peer: Peer, { seconds, connections, profileFolder }: Settings): Promise<Figures> {
    await using folder = await temporaryFolder();
    await using running = await peer.start({ folder: folder.path, isWorking: false, profileFolder });
    const url = running.intakeUrl;
    const warmUp = await runWrk({ url, seconds: warmUpSeconds, connections });
    const before = usageOf(running.pids);
    const report = await runWrk({ url, seconds, connections });
    const after = usageOf(running.pids);
    await expectAccepted(running, warmUp.answers + report.answers);
    return {
      perSecond: report.perSecond,
      p50Ms: report.p50Ms,
      p99Ms: report.p99Ms,
      requests: report.answers,
      cpuSecondsPer100k: ((after.cpuSeconds - before.cpuSeconds) / report.answers) * 1e5,
      peakRssMb: after.peakRssMb,
    };
  },
};

/** An answer that stands for nothing stored is no 202. */
async function expectAccepted(running: RunningPeer, answers: number): Promise<void> {
  const { accepted } = await running.counts();
  if (accepted < answers)
    throw new Error(`${running.intakeUrl} gave ${answers} answers and accepted ${accepted} requests`);
}
