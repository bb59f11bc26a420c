import { startRedis } from "@sluice/testing";
import { getJson } from "./get-json.ts";
import { startNodeProcess } from "./node-process.ts";
import type { Counts, Peer, PeerOptions, PeerProcess, RunningPeer } from "./peer.ts";

const redisSettings = {
  // As durable as a receipt of Sluice: fsynced before the answer.
  appendonly: "yes",
  appendfsync: "always",
  // The only policy BullMQ works with: docs.bullmq.io/guide/going-to-production
  "maxmemory-policy": "noeviction",
  // Redis would rewrite its log in some runs and not in others; without, each run is at its best.
  "auto-aof-rewrite-percentage": "0",
};

/**
 * Fastify in front of BullMQ, with a worker in a process of its own and Redis on disk before each answer.
 * Finished jobs are kept, as is BullMQ's default: their results are read from them.
 */
export const bullmq: Peer = {
  name: "bullmq",
  async start({ folder, isWorking, profileFolder, env: own }: PeerOptions): Promise<RunningPeer> {
    await using resources = new AsyncDisposableStack();
    const redis = resources.use(await startRedis({ folder, settings: redisSettings }));
    const env = { REDIS_PORT: String(redis.port), ...own };
    const gateway = resources.use(await startNodeProcess({ script: scriptOf("gateway"), env, profileFolder }));
    const processes: PeerProcess[] = [
      { role: "redis", pid: redis.pid },
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
  return new URL(`./bullmq-${role}.ts`, import.meta.url);
}
