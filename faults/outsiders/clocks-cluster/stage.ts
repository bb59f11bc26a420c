// A cluster whose database keeps a clock that can be stepped: real servers, a gateway and workers, and a handler that
// does what a request's body says.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  openFakeClock,
  startPostgres,
  startRabbitmq,
  startRedis,
  startSluiceGateway,
  startSluiceWorker,
  temporaryFolder,
  type Child,
  type FakeClock,
  type Rabbitmq,
  type Sluice,
} from "@sluice/testing";
import { connect } from "amqplib";
import { Client } from "pg";
import { migrate, sluiceEntry } from "../../../packages/sluice/test/cluster-under-test.ts";

/**
 * `work` ends at once, `hold` runs until the gate is open, `later` asks for five seconds at its first attempt, `reject` is
 * dead until it is replayed.
 */
export type Behaviour = "work" | "hold" | "later" | "reject";

/** A line for each beginning and each end of a handler. */
export interface Noted {
  readonly what: "began" | "done";
  readonly id: string;
  readonly pid: number;
}

const config = (folder: string, queues: string): string => `
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { defineConfig, Reject, RetryLater } from ${sluiceEntry};
const folder = ${JSON.stringify(folder)};
const note = (what, id) => appendFileSync(folder + "/noted", what + " " + id + " " + process.pid + "\\n");
const isOpen = () => existsSync(folder + "/gate");
async function handle(request, { signal }) {
  const { id } = request;
  const behaviour = request.text();
  note("began", id);
  while (behaviour === "hold" && !isOpen()) await delay(20, undefined, { signal });
  const isFirst = !existsSync(folder + "/" + id);
  writeFileSync(folder + "/" + id, "");
  if (behaviour === "reject" && isFirst) throw new Reject("at its first attempt");
  if (behaviour === "later" && isFirst) throw new RetryLater("5s");
  note("done", id);
  return "done";
}
const queue = { concurrency: 64, timeout: "5m", handle };
export default defineConfig({ queues: { ${queues} } });
`;

export class Stage implements AsyncDisposable {
  readonly databaseUrl: string;
  readonly gateway: Sluice;
  readonly #folder: string;
  readonly #clock: FakeClock;
  readonly #rabbitmq: Rabbitmq;
  readonly #env: Readonly<Record<string, string>>;
  readonly #resources: AsyncDisposableStack;

  static async open(): Promise<Stage> {
    await using resources = new AsyncDisposableStack();
    const clock = resources.use(await openFakeClock());
    const [postgres, rabbitmq, redis, folder] = await Promise.all([
      startPostgres({ env: clock.env }).then((started) => resources.use(started)),
      startRabbitmq().then((started) => resources.use(started)),
      startRedis().then((started) => resources.use(started)),
      temporaryFolder().then((made) => resources.use(made)),
    ]);
    const configFile = join(folder.path, "sluice.config.ts");
    writeFileSync(configFile, config(folder.path, "orders: queue, held: queue"));
    writeFileSync(join(folder.path, "orders.config.ts"), config(folder.path, "orders: queue"));
    writeFileSync(join(folder.path, "noted"), "");
    const env = {
      DATABASE_URL: postgres.url,
      AMQP_URL: rabbitmq.url,
      REDIS_URL: redis.url,
      SLUICE_PREFIX: "clocks",
    };
    await migrate(configFile, env);
    const gateway = resources.use(await startSluiceGateway({ configFile, env }));
    return new Stage({ clock, rabbitmq, env, gateway, folder: folder.path }, resources.move());
  }

  private constructor(
    parts: {
      readonly clock: FakeClock;
      readonly rabbitmq: Rabbitmq;
      readonly env: Readonly<Record<string, string>>;
      readonly gateway: Sluice;
      readonly folder: string;
    },
    resources: AsyncDisposableStack,
  ) {
    this.#clock = parts.clock;
    this.#rabbitmq = parts.rabbitmq;
    this.#env = parts.env;
    this.#folder = parts.folder;
    this.gateway = parts.gateway;
    this.databaseUrl = parts.env["DATABASE_URL"] ?? "";
    this.#resources = resources;
  }

  /** The database's clock, from now on so far ahead of the true one. */
  step(aheadMs: number): Promise<void> {
    return this.#clock.step(aheadMs);
  }

  /** One more worker of both queues. */
  startWorker(): Promise<Child> {
    return this.#startWorker("sluice.config.ts");
  }

  /** One that takes nothing of `held`, under a wall clock of its own. */
  startOrdersWorker(clock: FakeClock): Promise<Child> {
    return this.#startWorker("orders.config.ts", clock);
  }

  async #startWorker(file: string, clock?: FakeClock): Promise<Child> {
    const configFile = join(this.#folder, file);
    const worker = await startSluiceWorker({ configFile, env: { ...this.#env, ...clock?.env } });
    return this.#resources.use(worker);
  }

  shutGate(): void {
    rmSync(join(this.#folder, "gate"), { force: true });
  }

  openGate(): void {
    writeFileSync(join(this.#folder, "gate"), "");
  }

  noted(): readonly Noted[] {
    const lines = readFileSync(join(this.#folder, "noted"), "utf8").split("\n");
    return lines.flatMap((line) => {
      const [what, id, pid] = line.split(" ");
      return what === "began" || what === "done" ? [{ what, id: id ?? "", pid: Number(pid) }] : [];
    });
  }

  async post(path: string, body?: string): Promise<unknown> {
    const content = body === undefined ? {} : { body, headers: { "content-type": "text/plain" } };
    const response = await fetch(`${this.gateway.url}${path}`, { method: "POST", ...content });
    const text = await response.text();
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  async get<Shape>(path: string): Promise<Shape> {
    const response = await fetch(`${this.gateway.url}${path}`);
    return (await response.json()) as Shape;
  }

  async send(queue: string, behaviour: Behaviour): Promise<string> {
    return ((await this.post(`/v1/queues/${queue}/requests`, behaviour)) as { readonly id: string }).id;
  }

  /** Takes every hint of a queue out of RabbitMQ that no worker has. */
  async purge(queue: string): Promise<void> {
    const connection = await connect(this.#rabbitmq.url);
    const channel = await connection.createChannel();
    for (const line of [`clocks.${queue}.v1`, `clocks.${queue}.v1.again`]) await channel.purgeQueue(line);
    await connection.close();
  }

  async rows<Row extends object>(text: string): Promise<readonly Row[]> {
    const client = new Client({ connectionString: this.databaseUrl });
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}
