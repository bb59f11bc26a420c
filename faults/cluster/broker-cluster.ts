// Three nodes of RabbitMQ as one cluster, and a proxy before them that leads to one that runs: Sluice is told of one
// address. It owns them all.
import { lastingPort, startProxy, startRabbitmq, startRabbitmqPeers } from "@sluice/testing";
import type { Rabbitmq, RabbitmqPeers } from "@sluice/testing";
import { folderForRabbitmq, Server } from "./servers.ts";

const nodeCount = 3;

export class BrokerCluster implements AsyncDisposable {
  /** What the members of the stage take for RabbitMQ. */
  readonly front: Server<Rabbitmq>;
  readonly #nodes: readonly Server<Rabbitmq>[];
  readonly #resources: AsyncDisposableStack;
  readonly #living: Set<Server<Rabbitmq>>;

  /** Resolves once all nodes are one cluster. */
  static async open(): Promise<BrokerCluster> {
    await using resources = new AsyncDisposableStack();
    const peers = resources.use(await startRabbitmqPeers());
    const nodes: Server<Rabbitmq>[] = [];
    for (let count = 0; count < nodeCount; count += 1) {
      const folder = await folderForRabbitmq(resources);
      nodes.push(resources.use(nodeAt(folder, await lastingPort(), peers)));
    }
    const [first, ...others] = await Promise.all(nodes.map((node) => node.up()));
    for (const other of others) await join(other, first as Rabbitmq);
    const living = new Set(nodes);
    const oneOf = (): Rabbitmq => {
      for (const { now } of living) return now;
      throw new Error("no node of RabbitMQ runs now");
    };
    const proxy = resources.use(await startProxy({ port: () => oneOf().port }));
    const place = { folder: "", port: proxy.port };
    const front = new Server<Rabbitmq>(place, () => Promise.resolve(frontOf(oneOf, proxy.port)));
    return new BrokerCluster({ nodes, living, front }, resources.move());
  }

  private constructor(
    parts: {
      readonly nodes: readonly Server<Rabbitmq>[];
      readonly living: Set<Server<Rabbitmq>>;
      readonly front: Server<Rabbitmq>;
    },
    resources: AsyncDisposableStack,
  ) {
    this.#nodes = parts.nodes;
    this.#living = parts.living;
    this.front = parts.front;
    this.#resources = resources;
  }

  /** SIGKILL for so many of those that run: the first ones, which the connections lead to. */
  async kill(count: number): Promise<void> {
    const chosen = [...this.#living].slice(0, count);
    for (const node of chosen) this.#living.delete(node);
    await Promise.all(chosen.map((node) => node.kill()));
  }

  /** Starts those that do not run, where they were. */
  async heal(): Promise<void> {
    const missing = this.#nodes.filter((node) => !this.#living.has(node));
    await Promise.all(missing.map((node) => node.up()));
    for (const node of missing) this.#living.add(node);
  }

  /** Nodes that each queue of this prefix is kept on. */
  async replicas(prefix: string): Promise<readonly number[]> {
    const listed = await this.front.now.ctl("list_queues", "--silent", "name", "members");
    const rows = listed.split("\n").filter((row) => row.startsWith(`${prefix}.`));
    return rows.map((row) => row.split("\t")[1]?.split(",").length ?? 0);
  }

  /** How its queues are now, for who wonders why they stand still. */
  queues(): Promise<string> {
    return this.front.now.ctl("list_queues", "--silent", "name", "leader", "online", "messages", "consumers");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

function nodeAt(folder: string, port: number, peers: RabbitmqPeers): Server<Rabbitmq> {
  return new Server({ folder, port }, (place) => startRabbitmq({ ...place, peers }));
}

async function join(node: Rabbitmq, { nodeName }: Rabbitmq): Promise<void> {
  await node.ctl("stop_app");
  await node.ctl("join_cluster", nodeName);
  await node.ctl("start_app");
}

/** One node that runs, under the proxy's address. It does not end with the scenario's stage: the cluster ends it. */
function frontOf(oneOf: () => Rabbitmq, port: number): Rabbitmq {
  return {
    ...oneOf(),
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    port,
    ctl: (...args) => oneOf().ctl(...args),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
