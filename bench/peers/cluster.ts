import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import {
  sluiceCommand,
  startPostgres,
  startRabbitmq,
  startRedis,
  startSluiceGateway,
  startSluiceWorker,
} from "@sluice/testing";
import { endPolitely, profileArgs } from "./node-process.ts";
import type { Peer, PeerOptions, RunningPeer } from "./peer.ts";
import { countsOf } from "./sluice.ts";

const configFile = fileURLToPath(new URL("./sluice.config.ts", import.meta.url));

/** A cluster of one gateway and one worker, with its three servers on the same machine. */
export const cluster: Peer = {
  name: "cluster",
  async start({ isWorking, profileFolder }: PeerOptions): Promise<RunningPeer> {
    await using resources = new AsyncDisposableStack();
    const servers = await Promise.all([startPostgres(), startRabbitmq(), startRedis()]);
    const [postgres, rabbitmq, redis] = servers;
    for (const server of servers) resources.use(server);
    const env = { DATABASE_URL: postgres.url, AMQP_URL: rabbitmq.url, REDIS_URL: redis.url };
    execFileSync(process.execPath, [sluiceCommand, "migrate", "--config", configFile], {
      env: { ...process.env, ...env },
    });
    const options = { configFile, env, nodeArgs: profileArgs(profileFolder) };
    const gateway = await startSluiceGateway(options);
    resources.defer(() => endPolitely(gateway));
    const pids = [...servers.map(({ pid }) => pid), gateway.pid];
    if (isWorking) {
      const worker = await startSluiceWorker(options);
      resources.defer(() => endPolitely(worker));
      pids.push(worker.pid);
    }
    const owned = resources.move();
    const queueUrl = `${gateway.url}/v1/queues/orders`;
    return {
      intakeUrl: `${queueUrl}/requests`,
      pids,
      counts: () => countsOf(queueUrl),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  },
};
