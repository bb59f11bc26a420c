import { getJson } from "./get-json.ts";
import { startNodeProcess } from "./node-process.ts";
import type { Counts, Peer, PeerOptions, PeerProcess, RunningPeer } from "./peer.ts";
import { startTextbookServers } from "./textbook-servers.ts";

/**
 * The textbook answer: Fastify publishes to a quorum queue with confirms; a worker marks the id as seen in Redis, does
 * the work, stores the result in PostgreSQL and acknowledges. Each request takes each step by itself.
 */
export const textbook: Peer = {
  name: "textbook",
  async start({ isWorking, profileFolder }: PeerOptions): Promise<RunningPeer> {
    await using resources = new AsyncDisposableStack();
    const servers = resources.use(await startTextbookServers());
    const { env } = servers;
    const gateway = resources.use(await startNodeProcess({ script: textbookScript("gateway"), env, profileFolder }));
    const processes: PeerProcess[] = [...servers.processes, { role: "gateway", pid: gateway.pid }];
    if (isWorking) {
      const worker = resources.use(await startNodeProcess({ script: textbookScript("worker"), env }));
      processes.push({ role: "worker", pid: worker.pid });
    }
    const owned = resources.move();
    return {
      intakeUrl: `${gateway.url}/requests`,
      processes,
      counts: async () => (await getJson(`${gateway.url}/counts`)) as Counts,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  },
};

export function textbookScript(role: "gateway" | "worker"): URL {
  return new URL(`./textbook-${role}.ts`, import.meta.url);
}
