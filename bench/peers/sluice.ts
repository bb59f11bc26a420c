import { fileURLToPath } from "node:url";
import { startSluice } from "@sluice/testing";
import { getJson } from "./get-json.ts";
import { endPolitely, profileArgs } from "./node-process.ts";
import type { Counts, Peer, PeerOptions, RunningPeer } from "./peer.ts";

const configFile = fileURLToPath(new URL("./sluice.config.ts", import.meta.url));

/** `sluice up`, as users run it: gateway and worker in one process. */
export const sluice: Peer = {
  name: "sluice",
  async start({ folder, isWorking, profileFolder }: PeerOptions): Promise<RunningPeer> {
    const child = await startSluice({ dataFolder: folder, configFile, nodeArgs: profileArgs(profileFolder) });
    const queueUrl = `${child.url}/v1/queues/orders`;
    if (!isWorking) await pause(queueUrl);
    return {
      intakeUrl: `${queueUrl}/requests`,
      pids: [child.pid],
      counts: () => countsOf(queueUrl),
      [Symbol.asyncDispose]: () => endPolitely(child),
    };
  },
};

async function pause(queueUrl: string): Promise<void> {
  const response = await fetch(`${queueUrl}/pause`, { method: "POST" });
  if (!response.ok) throw new Error(`pausing answered ${response.status}: ${await response.text()}`);
}

export async function countsOf(queueUrl: string): Promise<Counts> {
  const queue = (await getJson(queueUrl)) as { readonly accepted: number; readonly counts: { readonly done: number } };
  return { accepted: queue.accepted, finished: queue.counts.done };
}
