// Several nodes of RabbitMQ as one cluster. It owns them: what it has killed it starts again where it was.
import { lastingPort } from "./lasting-port.ts";
import { folderForRabbitmq, startRabbitmq, startRabbitmqPeers } from "./rabbitmq.ts";
import type { Rabbitmq } from "./rabbitmq.ts";

const nodeCount = 3;

export interface RabbitmqCluster extends AsyncDisposable {
  /** With all of its nodes. */
  readonly url: string;
  /** Those that run now. */
  readonly running: readonly Rabbitmq[];
  /** SIGKILL; resolves once nothing of the node runs any more. */
  kill(node: Rabbitmq): Promise<void>;
  /** Starts those that do not run. */
  heal(): Promise<void>;
}

/** Resolves once three nodes are one cluster. Disposing stops them. */
export async function startRabbitmqCluster(): Promise<RabbitmqCluster> {
  await using resources = new AsyncDisposableStack();
  const peers = resources.use(await startRabbitmqPeers());
  const places: { readonly folder: string; readonly port: number }[] = [];
  for (let count = 0; count < nodeCount; count += 1)
    places.push({ folder: await folderForRabbitmq(resources), port: await lastingPort() });
  const nodes = await Promise.all(places.map((place) => startRabbitmq({ ...place, peers })));
  resources.defer(async () => void (await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))));
  const [first, ...others] = nodes as [Rabbitmq, ...Rabbitmq[]];
  for (const other of others) await join(other, first);
  const killed = new Set<Rabbitmq>();
  const owned = resources.move();
  return {
    url: `amqp://guest:guest@${places.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    get running() {
      return nodes.filter((node) => !killed.has(node));
    },
    async kill(node) {
      killed.add(node);
      node.kill("SIGKILL");
      await node.exited;
      await node[Symbol.asyncDispose]();
    },
    async heal() {
      const missing = nodes.filter((node) => killed.has(node));
      const started = await Promise.all(missing.map(({ folder, port }) => startRabbitmq({ folder, port, peers })));
      for (const [index, node] of missing.entries()) {
        nodes[nodes.indexOf(node)] = started[index] as Rabbitmq;
        killed.delete(node);
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function join(node: Rabbitmq, { nodeName }: Rabbitmq): Promise<void> {
  await node.ctl("stop_app");
  await node.ctl("join_cluster", nodeName);
  await node.ctl("start_app");
}
