import { temporaryFolder } from "@sluice/testing";
import { body100B, body256Kb, body8Kb } from "../body.ts";
import type { Peer, RunningPeer } from "../peers/peer.ts";
import { totalOf, usageOf, usedBetween } from "../process-usage.ts";
import { runWrk } from "../wrk.ts";
import { expectAccepted } from "./intake.ts";
import { measureDiskMbPerSecond } from "./disk-rate.ts";
import type { Measured, Scenario, Settings } from "./scenario.ts";

const warmUpSeconds = 2;

/** How many bytes a second are stored and answered, for bodies of three sizes, beside what the disk takes. */
export const small: Scenario = {
  name: "small",
  title: "bodies stored, MB a second, beside what the disk takes fsynced in pieces of 4 MiB",
  figure: "mbPerSecond8Kb",
  peers: ["bullmq", "textbook", "pg-boss", "graphile-worker", "sluice", "cluster", "cluster-postgres"],
  bounds: [],
  async measure(peer: Peer, settings: Settings): Promise<Measured> {
    await using folder = await temporaryFolder();
    const diskMbPerSecond = measureDiskMbPerSecond(folder.path);
    await using running = await peer.start({
      folder: folder.path,
      isWorking: false,
      profileFolder: settings.profileFolder,
    });
    const warm = { ...settings, seconds: warmUpSeconds };
    const warmedUp = await store(running, { body: body100B, storedBefore: 0, settings: warm });
    const before = usageOf(running.processes);
    const stored100B = await store(running, { body: body100B, storedBefore: warmedUp.stored, settings });
    const stored8Kb = await store(running, { body: body8Kb, storedBefore: stored100B.stored, settings });
    const stored256Kb = await store(running, { body: body256Kb, storedBefore: stored8Kb.stored, settings });
    const usage = usedBetween(before, usageOf(running.processes));
    return {
      figures: {
        mbPerSecond100B: stored100B.mbPerSecond,
        mbPerSecond8Kb: stored8Kb.mbPerSecond,
        mbPerSecond256Kb: stored256Kb.mbPerSecond,
        diskMbPerSecond,
        diskShare: stored256Kb.mbPerSecond / diskMbPerSecond,
        requests: stored256Kb.stored,
        peakRssMb: totalOf(usage).peakRssMb,
      },
      usage,
    };
  },
};

interface StoreOptions {
  readonly body: string;
  readonly storedBefore: number;
  readonly settings: Settings;
}

interface Stored {
  readonly mbPerSecond: number;
  /** All that it has answered until now. */
  readonly stored: number;
}

async function store(running: RunningPeer, { body, storedBefore, settings }: StoreOptions): Promise<Stored> {
  const { seconds, connections } = settings;
  const { answers, perSecond } = await runWrk({ url: running.intakeUrl, seconds, connections, body });
  const stored = storedBefore + answers;
  await expectAccepted(running, stored);
  return { mbPerSecond: (perSecond * Buffer.byteLength(body)) / 1e6, stored };
}
