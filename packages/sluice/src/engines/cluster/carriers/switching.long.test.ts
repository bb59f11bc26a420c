// RabbitMQ comes and goes, by an outage or as processes are given it and lose it: what was accepted is delivered, and
// without waiting for it to come back. However many requests one commit stores, they are handed out in parts.
import { after, before, test } from "node:test";
import { deepEqual, equal, ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  startPostgres,
  startProxy,
  startRabbitmq,
  startRedis,
  temporaryFolder,
  type Postgres,
  type Proxy,
  type Rabbitmq,
  type Redis,
} from "@sluice/testing";
import { Client } from "pg";
import { pino } from "pino";
import type { RequestId } from "../../../core/request-id.ts";
import { dead, done, orders, queue, request } from "../../../engine/contract/rig.ts";
import type { Engine } from "../../../engine/engine.ts";
import { migrateCluster } from "../ledger/schema/migrate.ts";
import { openCluster } from "../open.ts";
import type { ClusterServers } from "../options.ts";

const log = pino({ level: process.env["SLUICE_TEST_LOG"] ?? "silent" });
const beatMs = 50;
/** Beats within which every process has seen who is there. */
const seenMs = 10 * beatMs;

const resources = new AsyncDisposableStack();
let postgres: Postgres;
let rabbitmq: Rabbitmq;
let redis: Redis;

before(async () => {
  const folder = resources.use(await temporaryFolder());
  [postgres, rabbitmq, redis] = await Promise.all([
    startPostgres({ folder: folder.path }),
    startRabbitmq(),
    startRedis(),
  ]);
  for (const server of [postgres, rabbitmq, redis]) resources.use(server);
});
after(() => resources.disposeAsync());

/** A cluster of processes, each with RabbitMQ or without. */
class Cluster implements AsyncDisposable {
  readonly client: Client;
  readonly toRabbitmq: Proxy;
  readonly #servers: ClusterServers;
  readonly #owned: AsyncDisposableStack;

  static async open(): Promise<Cluster> {
    await using opened = new AsyncDisposableStack();
    const prefix = `test-${randomBytes(3).toString("hex")}`;
    const databaseUrl = await postgres.createDatabase(prefix);
    const toRabbitmq = opened.use(await startProxy({ port: rabbitmq.port }));
    const amqpUrl = rabbitmq.url.replace(/:\d+$/, `:${toRabbitmq.port}`);
    const servers = { databaseUrl, amqpUrl, redisUrl: redis.url, prefix };
    await migrateCluster({ servers, queues: [orders], log });
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    opened.defer(() => client.end());
    return new Cluster({ client, toRabbitmq, servers, owned: opened.move() });
  }

  private constructor(parts: {
    client: Client;
    toRabbitmq: Proxy;
    servers: ClusterServers;
    owned: AsyncDisposableStack;
  }) {
    this.client = parts.client;
    this.toRabbitmq = parts.toRabbitmq;
    this.#servers = parts.servers;
    this.#owned = parts.owned;
  }

  async process(has: "rabbitmq" | "nothing"): Promise<Engine> {
    const servers = has === "rabbitmq" ? this.#servers : { ...this.#servers, amqpUrl: undefined };
    const engine = await openCluster({ servers, queues: [queue(orders)], name: `one with ${has}`, beatMs, log });
    this.#owned.defer(() => engine.close());
    return engine;
  }

  async outboxRows(): Promise<number> {
    const { rows } = await this.client.query<{ count: number }>("SELECT count(*)::int FROM sluice.outbox");
    return rows[0]?.count ?? Number.NaN;
  }

  async rabbitmqDown(isDown: boolean, seenBy: Engine): Promise<void> {
    if (isDown) this.toRabbitmq.cut();
    else this.toRabbitmq.restore();
    await until("it is noticed", 30_000, () => seenBy.health().degradations.length > 0 === isDown);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }
}

async function accept(engine: Engine, count: number): Promise<readonly RequestId[]> {
  const result = await engine.accept(Array.from({ length: count }, () => request()));
  if (result.kind !== "accepted") throw new Error(result.kind);
  return result.receipts.map((receipt) => (receipt as { readonly id: RequestId }).id);
}

async function until(what: string, ms: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in ${ms} ms it did not come about that ${what}`);
    await delay(20);
  }
}

/** A worker that delivers and settles until it is stopped. */
class Work {
  readonly ids: RequestId[] = [];
  readonly #engine: Engine;
  readonly #stopping = new AbortController();
  readonly #present: Disposable;
  readonly #running: Promise<void>;

  constructor(engine: Engine, outcome = done()) {
    this.#engine = engine;
    this.#present = engine.attend(orders);
    this.#running = this.#run(outcome);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#present[Symbol.dispose]();
  }

  /** With its process. */
  async leave(): Promise<void> {
    await this.stop();
    await this.#engine.close();
  }

  async #run(outcome: Parameters<Engine["settle"]>[1]): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const deliveries = await this.#engine.deliver({ queue: orders, max: 200, signal });
      if (deliveries.length === 0) return; // stopped, or closed
      const settled = deliveries.map(async ({ claim }) => {
        if ((await this.#engine.settle(claim, outcome)) === "settled") this.ids.push(claim.id);
      });
      await Promise.all(settled);
    }
  }
}

test("while RabbitMQ is down, 10,000 of one batch and the one after it are delivered from the outbox", async () => {
  await using cluster = await Cluster.open();
  const engine = await cluster.process("rabbitmq");
  await cluster.rabbitmqDown(true, engine);
  const accepted = [...(await accept(engine, 10_000)), ...(await accept(engine, 1))];
  const work = new Work(engine);
  await until("all are done", 60_000, () => work.ids.length >= accepted.length);
  deepEqual(work.ids.toSorted(), accepted.toSorted());
  await until("the outbox is empty", 5_000, async () => (await cluster.outboxRows()) === 0);
  await cluster.rabbitmqDown(false, engine);
  const [next] = await accept(engine, 1);
  await until("it goes on when RabbitMQ is back", 5_000, () => work.ids.includes(next as RequestId));
  await work.stop();
});

test("a bulk replay, as one row of the outbox, is handed out in parts", async () => {
  await using cluster = await Cluster.open();
  const engine = await cluster.process("rabbitmq");
  const count = 5_100;
  await accept(engine, count);
  const failing = new Work(engine, dead);
  await until("all are dead", 60_000, () => failing.ids.length === count);
  await failing.stop();
  await cluster.rabbitmqDown(true, engine);
  const filter = { queue: orders, errorCode: undefined, limit: count, isDryRun: false };
  equal((await engine.replayMany(filter)).replayed, count);
  await cluster.client.query(`WITH gone AS (DELETE FROM sluice.outbox RETURNING queue, kind, ids)
    INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, kind, array_agg(id ORDER BY id) FROM gone, unnest(ids) AS i (id) GROUP BY queue, kind`);
  equal(await cluster.outboxRows(), 1);
  const work = new Work(engine);
  await until("all are done", 60_000, () => work.ids.length >= count);
  equal(new Set(work.ids).size, count);
  await work.stop();
});

test("rows of a queue that nobody works on hold up no others", async () => {
  await using cluster = await Cluster.open();
  const engine = await cluster.process("nothing");
  await cluster.client.query(`INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT 999, 'fresh', ARRAY[gen_random_uuid()] FROM generate_series(1, 1000)`);
  const work = new Work(engine);
  const [id] = await accept(engine, 1);
  await until("it is done", 2_000, () => work.ids.includes(id as RequestId));
  await work.stop();
});

test("a running cluster loses RabbitMQ and gets it again, process by process, and nothing waits for long", async () => {
  await using cluster = await Cluster.open();
  const accepted: RequestId[] = [];
  const finished = new Set<RequestId>();
  const works: Work[] = [];
  let gateway = await cluster.process("rabbitmq");
  const sending = new AbortController();
  const doneOnce = (): number => works.reduce((sum, { ids }) => sum + ids.length, 0);
  const sender = (async () => {
    while (!sending.signal.aborted) {
      accepted.push(...(await accept(gateway, 20)));
      await delay(10);
    }
  })();
  const start = async (has: "rabbitmq" | "nothing"): Promise<Work> => {
    const work = new Work(await cluster.process(has));
    works.push(work);
    await delay(seenMs);
    return work;
  };
  const [a, b] = [await start("rabbitmq"), await start("rabbitmq")];
  // The first worker without it: new hints stay in the outbox.
  const c = await start("nothing");
  await a.leave();
  await b.leave();
  gateway = await cluster.process("nothing");
  await delay(seenMs);
  // And back: gateways first, then the workers.
  gateway = await cluster.process("rabbitmq");
  const d = await start("rabbitmq");
  await c.leave();
  await delay(2 * seenMs);
  sending.abort();
  await sender;
  await until("all are done", 60_000, () => doneOnce() >= accepted.length);
  await d.stop();
  for (const { ids } of works) for (const id of ids) finished.add(id);
  equal(doneOnce(), accepted.length, "each took effect once");
  deepEqual(
    accepted.filter((id) => !finished.has(id)),
    [],
  );
  ok(accepted.length > 1_000, `${accepted.length} accepted`);
});
