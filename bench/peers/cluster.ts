import { execFileSync } from "node:child_process";
import {
  sluiceCommand,
  startClusterServers,
  startSluiceGateway,
  startSluiceWorker,
  type CarrierChoice,
} from "@sluice/testing";
import { endPolitely, profileArgs } from "./node-process.ts";
import type { Peer, PeerOptions, PeerProcess, RunningPeer } from "./peer.ts";
import { countsOf, workingConfig } from "./sluice.ts";
import type { RunningSluice, StartOptions, Store } from "./store.ts";

const all: CarrierChoice = { rabbitmq: true, redis: true };
export const postgresAlone: CarrierChoice = { rabbitmq: false, redis: false };

/** A cluster of one gateway and one worker, with its three servers on the same machine. */
export const cluster: Peer = { name: "cluster", start: (options) => startCluster(all, options) };

/** The same without RabbitMQ and Redis. */
export const clusterOnPostgres: Peer = {
  name: "cluster-postgres",
  start: (options) => startCluster(postgresAlone, options),
};

async function startCluster(
  choice: CarrierChoice,
  { isWorking, profileFolder, env }: PeerOptions,
): Promise<RunningPeer> {
  await using resources = new AsyncDisposableStack();
  const store = resources.use(await openCluster(choice));
  const running = resources.use(await store.start({ configFile: workingConfig, isWorking, profileFolder, env }));
  const owned = resources.move();
  return { ...running, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

export interface ClusterStore extends Store {
  /** What gateways and workers need to find the servers. */
  readonly env: Readonly<Record<string, string>>;
}

/** The servers, all three unless given, migrated for the one queue that every configuration here has. */
export async function openCluster(choice: CarrierChoice = all): Promise<ClusterStore> {
  await using resources = new AsyncDisposableStack();
  const { postgres, rabbitmq, redis, env } = resources.use(await startClusterServers(choice));
  execFileSync(process.execPath, [sluiceCommand, "migrate", "--config", workingConfig], {
    env: { ...process.env, ...env },
    stdio: "pipe", // what it says is only of use in the error
  });
  const processes: readonly PeerProcess[] = [
    { role: "postgres", pid: postgres.pid },
    ...(rabbitmq ? [{ role: "rabbitmq", pid: rabbitmq.pid } as const] : []),
    ...(redis ? [{ role: "redis", pid: redis.pid } as const] : []),
  ];
  const owned = resources.move();
  return {
    env,
    start: (options) => startOver({ env, processes }, options),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Servers {
  readonly env: Readonly<Record<string, string>>;
  readonly processes: readonly PeerProcess[];
}

async function startOver(
  servers: Servers,
  { configFile, isWorking, profileFolder, env }: StartOptions,
): Promise<RunningSluice> {
  const options = { configFile, env: { ...servers.env, ...env }, nodeArgs: profileArgs(profileFolder) };
  const [gateway, worker] = await Promise.all([
    startSluiceGateway(options),
    isWorking ? startSluiceWorker(options) : undefined,
  ]);
  const children = worker === undefined ? [gateway] : [gateway, worker];
  const own: readonly PeerProcess[] = [
    { role: "gateway", pid: gateway.pid },
    ...(worker === undefined ? [] : [{ role: "worker", pid: worker.pid } as const]),
  ];
  const queueUrl = `${gateway.url}/v1/queues/orders`;
  return {
    intakeUrl: `${queueUrl}/requests`,
    queueUrl,
    processes: [...servers.processes, ...own],
    own,
    counts: () => countsOf(queueUrl),
    line: (pattern) => (worker ?? gateway).line(pattern),
    async kill() {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all(children.map(({ exited }) => exited));
    },
    async [Symbol.asyncDispose]() {
      for (const child of children.toReversed()) await endPolitely(child);
    },
  };
}
