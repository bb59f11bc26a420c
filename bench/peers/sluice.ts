import { fileURLToPath } from "node:url";
import { startSluice } from "@sluice/testing";
import { getJson } from "./get-json.ts";
import { endPolitely, profileArgs } from "./node-process.ts";
import type { Counts, Peer, PeerOptions, PeerProcess, RunningPeer } from "./peer.ts";
import type { RunningSluice, StartOptions, Store } from "./store.ts";

/** What Sluice runs in every scenario that works on requests. */
export const workingConfig = fileURLToPath(new URL("./sluice.config.ts", import.meta.url));

/** `sluice up`, as users run it: gateway and worker in one process. */
export const sluice: Peer = {
  name: "sluice",
  async start({ folder, ...options }: PeerOptions): Promise<RunningPeer> {
    return await (await openFolder(folder)).start({ configFile: workingConfig, ...options });
  },
};

/** The embedded engine's store: a data folder. Whoever made the folder removes it. */
export async function openFolder(dataFolder: string): Promise<Store> {
  return { start: (options) => startOver(dataFolder, options), [Symbol.asyncDispose]: async () => {} };
}

async function startOver(
  dataFolder: string,
  { configFile, isWorking, profileFolder, env }: StartOptions,
): Promise<RunningSluice> {
  const child = await startSluice({ dataFolder, configFile, env, nodeArgs: profileArgs(profileFolder) });
  const queueUrl = `${child.url}/v1/queues/orders`;
  if (!isWorking) await pause(queueUrl);
  const own: readonly PeerProcess[] = [{ role: "gateway and worker", pid: child.pid }];
  return {
    intakeUrl: `${queueUrl}/requests`,
    queueUrl,
    processes: own,
    own,
    counts: () => countsOf(queueUrl),
    line: (pattern) => child.line(pattern),
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
    [Symbol.asyncDispose]: () => endPolitely(child),
  };
}

async function pause(queueUrl: string): Promise<void> {
  const response = await fetch(`${queueUrl}/pause`, { method: "POST" });
  if (!response.ok) throw new Error(`pausing answered ${response.status}: ${await response.text()}`);
}

export async function countsOf(queueUrl: string): Promise<Counts> {
  const queue = (await getJson(queueUrl)) as { readonly accepted: number; readonly counts: { readonly done: number } };
  return { accepted: queue.accepted, finished: queue.counts.done };
}
