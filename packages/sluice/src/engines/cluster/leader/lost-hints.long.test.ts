// What a look costs, and how far it gets, on real servers.
import assert, { deepEqual } from "node:assert/strict";
import { after, before, test } from "node:test";
import { startPostgres, startRabbitmq, startRedis, temporaryFolder } from "@sluice/testing";
import { Client } from "pg";
import { pino } from "pino";
import { queue, request } from "../../../engine/contract/rig.ts";
import { LostHints } from "./lost-hints.ts";
import { Broker } from "../carriers/rabbitmq/broker.ts";
import { Connection, type Changing } from "../ledger/connection/database.ts";
import { migrateCluster } from "../ledger/schema/migrate.ts";
import { openCluster } from "../open.ts";
import type { ClusterServers } from "../options.ts";
import { Outages } from "../outages.ts";
import { StoreClock } from "../ledger/connection/store-clock.ts";

const log = pino({ level: "silent" });
const names = Array.from({ length: 50 }, (_, n) => `q${n}`);
const busy = "q33";

const resources = new AsyncDisposableStack();
type ServersWithBroker = ClusterServers & { readonly amqpUrl: string };
let servers: ServersWithBroker;
let newServers: (name: string) => Promise<ServersWithBroker>;

before(async () => {
  const folder = resources.use(await temporaryFolder());
  const postgres = resources.use(await startPostgres({ folder: folder.path }));
  const rabbitmq = resources.use(await startRabbitmq());
  const redis = resources.use(await startRedis());
  newServers = async (name) => {
    const databaseUrl = await postgres.createDatabase(name);
    const made = { databaseUrl, amqpUrl: rabbitmq.url, redisUrl: redis.url, prefix: name };
    await migrateCluster({ servers: made, queues: names, log });
    return made;
  };
  servers = await newServers("audited");
});
after(() => resources.disposeAsync());

/** Nobody takes what is put back. */
const outbox = { tell: () => Promise.resolve() };
const takersOf = (): { having: number; lacking: number } => ({ having: 0, lacking: 0 });

function brokerOf({ amqpUrl: url = "", prefix }: ClusterServers): Broker {
  return new Broker({ url, prefix, name: "a test", outages: new Outages(log), log });
}

async function connected({ databaseUrl }: ClusterServers): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

async function count(client: Client, what: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(`SELECT count(*)::int FROM ${what}`);
  return rows[0]?.count ?? Number.NaN;
}

test("each look is at the queues with a backlog, and at twenty of the others in turn", async () => {
  const member = { servers, queues: names.map((name) => queue(name)), name: "a gateway", log };
  await using engine = await openCluster(member);
  assert.equal((await engine.accept([{ ...request(), queue: busy }])).kind, "accepted");
  await using connection = new Connection({ databaseUrl: servers.databaseUrl, name: "a test" });
  await using broker = brokerOf(servers);
  await broker.connect();
  const looked: string[] = [];
  const { depth } = broker;
  broker.depth = (name) => (looked.push(name), depth.call(broker, name));
  const clock = new StoreClock();
  await clock.read(connection);
  const lostHints = new LostHints({ connection, broker, clock, outbox, takersOf, stillMs: 30_000, log });
  const looks: (readonly string[])[] = [];
  for (let look = 0; look < 3; look += 1) {
    await lostHints.look();
    looks.push(looked.splice(0));
  }
  assert.deepEqual(
    looks.map((one) => [one.length, one.includes(busy)]),
    [
      [21, true],
      [21, true],
      [21, true],
    ],
  );
  assert.deepEqual(new Set(looks.flat()), new Set(names), "in three looks each was looked at");
});

test("after a crash of PostgreSQL the look for what waits goes on, look by look, through all that is finished", async () => {
  const own = await newServers("crashed");
  await using client = await connected(own);
  const finished = 500;
  // An hour ago: a time whose commits all can be seen.
  await client.query(`INSERT INTO sluice.requests (id, queue, content_type, bytes, body)
    SELECT ((SELECT lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - 3600000), 12, '0'))
      || '70008000' || lpad(to_hex(no), 12, '0'))::uuid, 1, 'text/plain', 0, '' FROM generate_series(0, ${finished}) AS no`);
  await client.query(`INSERT INTO sluice.outcomes (id, queue, state, attempts, finished_at)
    SELECT id, 1, 'done', 1, 0 FROM sluice.requests ORDER BY id LIMIT ${finished}`);
  await using connection = new Connection({ databaseUrl: own.databaseUrl, name: "a test" });
  await using broker = brokerOf(own);
  await broker.connect();
  const clock = new StoreClock();
  await clock.read(connection);
  const options = { connection, broker, clock, outbox, takersOf, stillMs: 30_000, headMsMax: 0, log };
  const before: number[] = [];
  for (let look = 0; look < 3; look += 1) {
    await new LostHints(options).look(); // the leader may be another one each time
    const mark = "(SELECT fresh_from FROM sluice.queues WHERE no = 1)";
    before.push(await count(client, `sluice.requests WHERE id < ${mark}`));
  }
  deepEqual(before, [200, 400, 500]);
});

test("a mark that goes down during a look, for what a spool brings, stays there", async () => {
  const own = await newServers("lowered");
  await using client = await connected(own);
  await using connection = new Connection({ databaseUrl: own.databaseUrl, name: "a test" });
  await using broker = brokerOf(own);
  await broker.connect();
  const clock = new StoreClock();
  await clock.read(connection);
  const options = { broker, clock, outbox, takersOf, stillMs: 30_000, log };
  const mark = async (): Promise<string | undefined> => {
    const { rows } = await client.query<{ at: string }>("SELECT fresh_from AS at FROM sluice.queues WHERE no = 1");
    return rows[0]?.at;
  };
  await new LostHints({ ...options, connection }).look();
  const raised = await mark();
  const lowered = "00000000-0000-7000-8000-000000000001";
  assert.ok(raised !== undefined && raised > lowered);
  let isLowered = false;
  const lowering: Changing = {
    async rows(statement, values) {
      const found = await connection.rows(statement, values);
      const isLook = statement.name === "backlog-first-pages" && !isLowered; // the later one comes behind the mark
      isLowered ||= isLook;
      if (isLook) await client.query("UPDATE sluice.queues SET fresh_from = $1 WHERE no = 1", [lowered]);
      return found as never;
    },
    transaction: (work) => connection.transaction(work),
  };
  await new Promise((resolve) => setTimeout(resolve, 5)); // the next mark is a later one
  await new LostHints({ ...options, connection: lowering }).look();
  assert.equal(await mark(), lowered);
  await new LostHints({ ...options, connection }).look();
  assert.ok(((await mark()) as string) > raised, "with nothing there it goes up again");
});

test("when RabbitMQ has lost a queue, all that was hinted of its schedule is hinted again, page by page", async () => {
  const own = await newServers("lost");
  await using client = await connected(own);
  const scheduled = 12_000;
  await client.query(`INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, token, is_hinted)
    SELECT gen_random_uuid(), 1, 7 + no / 10000, 1, 0, 0, true FROM generate_series(1, ${scheduled}) AS no`);
  await client.query("UPDATE sluice.queues SET is_at_rabbitmq = true WHERE no = 1");
  await using connection = new Connection({ databaseUrl: own.databaseUrl, name: "a test" });
  const left: number[] = [];
  await using broker = brokerOf(own);
  await broker.connect();
  await broker.remove("q0");
  const clock = new StoreClock();
  await clock.read(connection);
  const counting: Changing = {
    rows: (statement, values) => connection.rows(statement, values),
    transaction: async (work) => {
      const value = await connection.transaction(work);
      const now = await count(client, "sluice.schedule WHERE is_hinted");
      if (now !== left.at(-1)) left.push(now);
      return value;
    },
  };
  await new LostHints({ connection: counting, broker, clock, outbox, takersOf, stillMs: 30_000, log }).look();
  deepEqual(left, [12_000, 7_000, 2_000, 0]);
});
