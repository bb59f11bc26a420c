import { startPostgres } from "@sluice/testing";
import { getJson } from "./get-json.ts";
import { startNodeProcess } from "./node-process.ts";
import type { Counts, Peer, PeerOptions, PeerProcess, RunningPeer } from "./peer.ts";

/**
 * Fastify in front of graphile-worker, with a worker in a process of its own and PostgreSQL as it comes: what it commits
 * is on disk. A job that is done is deleted; its result is stored by one INSERT.
 */
export const graphileWorker: Peer = {
  name: "graphile-worker",
  async start({ isWorking, profileFolder, env: own }: PeerOptions): Promise<RunningPeer> {
    await using resources = new AsyncDisposableStack();
    const postgres = resources.use(await startPostgres());
    const env = { DATABASE_URL: postgres.url, ...own };
    const gateway = resources.use(await startNodeProcess({ script: scriptOf("gateway"), env, profileFolder }));
    const processes: PeerProcess[] = [
      { role: "postgres", pid: postgres.pid },
      { role: "gateway", pid: gateway.pid },
    ];
    if (isWorking) {
      const worker = resources.use(await startNodeProcess({ script: scriptOf("worker"), env }));
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

function scriptOf(role: "gateway" | "worker"): URL {
  return new URL(`./graphile-${role}.ts`, import.meta.url);
}
