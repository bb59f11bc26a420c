// What is told to RabbitMQ has progress within it: however many requests one commit stores, and whatever cannot be told
// now, the outbox empties, RabbitMQ is not flooded, and nothing waits behind what does not move.
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
import type { Delivery } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import { dead, done, orders, queue, request } from "../../engine/contract/rig.ts";
import type { Engine } from "../../engine/engine.ts";
import { migrateCluster } from "./ledger/schema/migrate.ts";
import { openCluster } from "./open.ts";
import { hintQueues } from "./carriers/topology.ts";

const log = pino({ level: process.env["SLUICE_TEST_LOG"] ?? "silent" });
/** A handler that is slow; with it each hint holds one request. */
const slowBeats = 30;
const beatMs = 50;
const countedEveryMs = 5_500;

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

interface Rig extends AsyncDisposable {
  readonly engine: Engine;
  readonly client: Client;
  readonly toRabbitmq: Proxy;
  /** Hints in the line, with those that nobody has acknowledged, once RabbitMQ counts no more: it counts every 5 s. */
  hints(line: "fresh" | "again"): Promise<number>;
  outboxRows(): Promise<number>;
}

async function open(): Promise<Rig> {
  await using opened = new AsyncDisposableStack();
  const prefix = `test-${randomBytes(3).toString("hex")}`;
  const databaseUrl = await postgres.createDatabase(prefix);
  const toRabbitmq = opened.use(await startProxy({ port: rabbitmq.port }));
  const amqpUrl = rabbitmq.url.replace(/:\d+$/, `:${toRabbitmq.port}`);
  const servers = { databaseUrl, amqpUrl, redisUrl: redis.url, prefix };
  await migrateCluster({ servers, queues: [orders], log });
  const engine = opened.use(
    await openCluster({ servers, queues: [queue(orders)], name: "the engine under test", beatMs, log }),
  );
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  opened.defer(() => client.end());
  const owned = opened.move();
  return {
    engine,
    client,
    toRabbitmq,
    async hints(line) {
      const name = hintQueues(prefix, orders)[line];
      for (let before: number | undefined; ;) {
        const listed = await rabbitmq.ctl("-q", "list_queues", "name", "messages");
        const count = Number(
          listed
            .split("\n")
            .find((one) => one.startsWith(`${name}\t`))
            ?.split("\t")[1],
        );
        if (count === before) return count;
        before = count;
        await delay(countedEveryMs);
      }
    },
    async outboxRows() {
      const { rows } = await client.query<{ count: number }>("SELECT count(*)::int FROM sluice.outbox");
      return rows[0]?.count ?? Number.NaN;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function accept({ engine }: Rig, count: number): Promise<readonly RequestId[]> {
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

/** Delivers and settles them; the ids that came within the time. */
async function work(
  { engine }: Rig,
  count: number,
  end: (delivery: Delivery) => Promise<unknown>,
  msMax = 60_000,
): Promise<Set<string>> {
  const signal = AbortSignal.timeout(msMax);
  const ids = new Set<string>();
  while (ids.size < count && !signal.aborted) {
    const deliveries = await engine.deliver({ queue: orders, max: 500, signal });
    await Promise.all(deliveries.map(end));
    for (const {
      request: { id },
    } of deliveries)
      ids.add(id);
  }
  return ids;
}

/** Nothing has arrived or finished of late: a hint holds one request. */
async function becomeSlow(): Promise<void> {
  await delay(slowBeats * beatMs);
}

async function brokerDown(rig: Rig, isDown: boolean): Promise<void> {
  if (isDown) rig.toRabbitmq.cut();
  else rig.toRabbitmq.restore();
  await until("it is noticed", 30_000, () => rig.engine.health().degradations.length > 0 === isDown);
}

test("a batch of 10,000 that was accepted while RabbitMQ was down is told once or twice, and so is what came after it", async () => {
  await using rig = await open();
  await brokerDown(rig, true);
  const accepted = [...(await accept(rig, 10_000)), ...(await accept(rig, 1))];
  await becomeSlow();
  await brokerDown(rig, false);
  await until("the outbox is empty", 60_000, async () => (await rig.outboxRows()) === 0);
  const hints = await rig.hints("fresh");
  ok(hints > 5_000, `the hints were small: ${hints}`);
  ok(hints <= 2 * accepted.length, `${hints} hints for ${accepted.length} requests`);
  const delivered = await work(rig, accepted.length, ({ claim }) => rig.engine.settle(claim, done()));
  deepEqual(delivered, new Set(accepted));
});

test("a bulk replay of 5,100 and a row of the outbox with as many clear, and each is told once or twice", async () => {
  await using rig = await open();
  const count = 5_100;
  await accept(rig, count);
  equal((await work(rig, count, ({ claim }) => rig.engine.settle(claim, dead))).size, count);
  await becomeSlow();
  await brokerDown(rig, true);
  equal(
    (await rig.engine.replayMany({ queue: orders, errorCode: undefined, limit: count, isDryRun: false })).replayed,
    count,
  );
  // As an earlier version left it: one row.
  await rig.client.query(`WITH gone AS (DELETE FROM sluice.outbox RETURNING queue, kind, ids)
    INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, kind, array_agg(id ORDER BY id) FROM gone, unnest(ids) AS i (id) GROUP BY queue, kind`);
  equal(await rig.outboxRows(), 1);
  await brokerDown(rig, false);
  await until("the outbox is empty", 60_000, async () => (await rig.outboxRows()) === 0);
  const hints = await rig.hints("again");
  ok(hints <= 2 * count, `${hints} hints for ${count} requests`);
  equal((await work(rig, count, ({ claim }) => rig.engine.settle(claim, done()))).size, count);
});

test("rows that cannot be told, of a queue that this process does not know, hold up no others", async () => {
  await using rig = await open();
  await rig.client.query(`INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT 999, 'fresh', ARRAY[gen_random_uuid()] FROM generate_series(1, 1000)`);
  await brokerDown(rig, true);
  const [id] = await accept(rig, 1);
  await brokerDown(rig, false);
  // The auditor puts back what has not moved for 30 s.
  deepEqual(await work(rig, 1, ({ claim }) => rig.engine.settle(claim, done()), 15_000), new Set([id]));
});
