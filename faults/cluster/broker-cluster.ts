// Three nodes of RabbitMQ as one cluster, and a proxy before them that leads to one that runs: Sluice is told of one
// address. It owns them all.
import { startProxy, startRabbitmqCluster } from "@sluice/testing";
import type { Rabbitmq, RabbitmqCluster } from "@sluice/testing";
import { Server } from "./servers.ts";

export class BrokerCluster implements AsyncDisposable {
  /** What the members of the stage take for RabbitMQ. */
  readonly front: Server<Rabbitmq>;
  readonly #nodes: RabbitmqCluster;
  readonly #resources: AsyncDisposableStack;

  /** Resolves once all nodes are one cluster. */
  static async open(): Promise<BrokerCluster> {
    await using resources = new AsyncDisposableStack();
    const nodes = resources.use(await startRabbitmqCluster());
    const oneOf = (): Rabbitmq => {
      const [node] = nodes.running;
      if (node === undefined) throw new Error("no node of RabbitMQ runs now");
      return node;
    };
    const proxy = resources.use(await startProxy({ port: () => oneOf().port }));
    const place = { folder: "", port: proxy.port };
    const front = new Server<Rabbitmq>(place, () => Promise.resolve(frontOf(oneOf, proxy.port)));
    return new BrokerCluster(nodes, front, resources.move());
  }

  private constructor(nodes: RabbitmqCluster, front: Server<Rabbitmq>, resources: AsyncDisposableStack) {
    this.#nodes = nodes;
    this.front = front;
    this.#resources = resources;
  }

  /** SIGKILL for so many of those that run: the first ones, which the connections lead to. */
  async kill(count: number): Promise<void> {
    await Promise.all(this.#nodes.running.slice(0, count).map((node) => this.#nodes.kill(node)));
  }

  /** Starts those that do not run, where they were. */
  heal(): Promise<void> {
    return this.#nodes.heal();
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
