import { setTimeout as sleep } from "node:timers/promises";
import type { Counts, RunningPeer } from "../peers/peer.ts";

/** A look costs those most who count rows for it; the time is measured to a tenth of a second. */
const lookEveryMs = 100;
const stuckAfterMs = 30_000;

/** Resolves to how many are finished once that is enough. No peer tells when its backlog is empty, so it is asked. */
export async function untilFinished(running: RunningPeer, enough: (counts: Counts) => number): Promise<number> {
  let last = { finished: -1, at: performance.now() };
  for (;;) {
    const counts = await running.counts();
    const { finished } = counts;
    if (finished >= enough(counts)) return finished;
    if (finished > last.finished) last = { finished, at: performance.now() };
    if (performance.now() - last.at > stuckAfterMs)
      throw new Error(`stuck at ${finished} of ${enough(counts)} finished`);
    await sleep(lookEveryMs);
  }
}
