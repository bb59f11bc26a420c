// Stores of the cluster engine for its contract: on servers that all cases of a file share, with RabbitMQ and Redis as
// SLUICE_TEST_CARRIERS says. With SLUICE_TEST_PGBOUNCER=1 each engine reaches PostgreSQL through PgBouncer in transaction mode.
import { after, before } from "node:test";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  carriersUnderTest,
  startClusterServers,
  startPgbouncer,
  startProxy,
  type ClusterServers as RunningServers,
  type Pgbouncer,
  type Proxy,
} from "@sluice/testing";
import { pino } from "pino";
import type { NewStore, OpenOptions, Store } from "../src/engine/contract/rig.ts";
import type { Engine } from "../src/engine/engine.ts";
import { Broker } from "../src/engines/cluster/carriers/rabbitmq/broker.ts";
import { Connection, type Statement } from "../src/engines/cluster/ledger/connection/database.ts";
import { aheadMin } from "../src/engines/cluster/leader/hand-out-pace.ts";
import { ClusterEngine } from "../src/engines/cluster/engine.ts";
import { migrateCluster } from "../src/engines/cluster/ledger/schema/migrate.ts";
import { openCluster } from "../src/engines/cluster/open.ts";
import type { ClusterServers } from "../src/engines/cluster/options.ts";
import { Outages } from "../src/engines/cluster/outages.ts";
import { joinAsCandidate } from "./cluster-session.ts";

const log = pino({ level: process.env["SLUICE_TEST_LOG"] ?? "silent" });
const deadlineMs = 20_000;

let carriers = carriersUnderTest();
let running: RunningServers;
let pgbouncer: Pgbouncer | undefined;
let stores = 0;
/** URLs of databases that no store has now. A new one with its schema would take longer than most cases. */
const free: string[] = [];

before(async () => {
  running = await startClusterServers(carriers);
  const { port } = running.postgres;
  if (process.env["SLUICE_TEST_PGBOUNCER"] === "1") pgbouncer = await startPgbouncer({ serverPort: port });
});
after(async () => {
  await pgbouncer?.[Symbol.asyncDispose]();
  await running[Symbol.asyncDispose]();
});

const WAITING: Statement = {
  name: "test-waiting",
  text: `SELECT r.id FROM sluice.requests r JOIN sluice.queues q ON q.no = r.queue
    LEFT JOIN sluice.schedule s ON s.id = r.id
    WHERE q.name = $1 AND (s.id IS NULL OR (s.due_at <= $2 AND s.in_line <> 1))
      AND NOT EXISTS (SELECT FROM sluice.outcomes o WHERE o.id = r.id)
      AND NOT EXISTS (SELECT FROM sluice.running n WHERE n.id = r.id)`,
};
/** How far the feeder is: what it has not taken note of, and what it has handed out so far. */
const FEEDING: Statement = {
  name: "test-feeding",
  text: `SELECT q.lines IS NOT NULL AS has_lines,
      (SELECT count(*) FROM sluice.line_events)::int
        + (SELECT count(*) FROM sluice.lined WHERE state = 'new' OR (state = 'later' AND due_at <= $2))::int AS news,
      (SELECT string_agg(id::text, ' ' ORDER BY id) FROM sluice.lined WHERE state = 'handed') AS handed
    FROM sluice.queues q WHERE q.name = $1`,
};
/** The feeder looks more often. */
const feederRestMs = 150;
const COUNT_RUNNING: Statement = { name: "test-running", text: "SELECT count(*)::int AS count FROM sluice.running" };

const EFFECTS = "CREATE TABLE IF NOT EXISTS effects (id uuid)";
const END_SESSIONS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()`;

const UNDO = `WITH undone AS (
    DELETE FROM sluice.links WHERE $1::uuid = ANY (ids) RETURNING queue, ids
  ), of_requests AS (
    DELETE FROM sluice.requests r USING undone u WHERE r.id = ANY (u.ids)
  )
  UPDATE sluice.tallies t SET accepted = accepted - cardinality(u.ids) FROM undone u
  WHERE t.queue = u.queue AND t.accepted > 0`;

const MISDATE = `UPDATE sluice.outcomes SET started_at = coalesce($2::bigint, started_at),
  finished_at = coalesce($3::bigint, finished_at) WHERE id = $1`;

/** Of a store that is gone: its lives are ended, and all but the schema is deleted. */
const EMPTY = `DO $$ DECLARE "table" regclass; BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
  FOR "table" IN SELECT oid FROM pg_class WHERE relnamespace = 'sluice'::regnamespace
    AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'meta'
  LOOP EXECUTE 'DELETE FROM ' || "table"; END LOOP;
  DELETE FROM sluice.meta WHERE name = 'prefix';
END $$`;

/** For a file whose cases all do without Redis. */
export function withoutRedis(): NewStore {
  carriers = { ...carriers, redis: false }; // read when the first case begins
  return newStore;
}

/** Each store is a database, and names of its own on the broker and the cache. Its lives reach them through proxies. */
export async function newStore(): Promise<Store> {
  stores += 1;
  const prefix = `test-${stores}-${randomBytes(3).toString("hex")}`;
  const { postgres, rabbitmq, redis } = running;
  const databaseUrl = free.pop() ?? (await postgres.createDatabase(prefix.replaceAll("-", "_")));
  const servers = { databaseUrl, amqpUrl: rabbitmq?.url, redisUrl: redis?.url, prefix };
  const inspector = new Connection({ databaseUrl, name: "test" });
  let queues: readonly string[] = [];
  const lives: Life[] = [];
  const begin = async (options: OpenOptions): Promise<Life> => {
    const life = await Life.begin(servers, options);
    lives.push(life);
    return life;
  };
  return {
    async open(options) {
      if (lives.length === 0) {
        queues = options.queues.map((queue) => queue.name);
        await migrateCluster({ servers, queues, log });
        await inspector.query(EFFECTS);
      }
      const life = await begin(options);
      await life.openTaps(queues);
      await until("the claims of the dead are given back", async () => {
        const [row] = await inspector.rows<{ count: number }>(COUNT_RUNNING);
        return row?.count === 0;
      });
      return life.engine;
    },
    async crash(engine) {
      lives.find((life) => life.engine === engine)?.cut();
    },
    async effectsOf(id) {
      return (await inspector.query("SELECT FROM effects WHERE id = $1", [id])).rowCount;
    },
    shared: {
      join: async (options) => (await begin(options)).engine,
      async loseHints() {
        if (rabbitmq !== undefined) await removeQueues(queues, { url: rabbitmq.url, prefix }, "declare");
        await inspector.query("DELETE FROM sluice.outbox");
      },
      async endSessions() {
        await inspector.query(END_SESSIONS);
      },
      candidate: () => joinAsCandidate(databaseUrl),
    },
    handsAhead: aheadMin,
    async quiet(engine, queue) {
      if (!(engine instanceof ClusterEngine)) throw new Error("not an engine of this store");
      const hasLines = await feederRests(inspector, queue, () => Math.round(engine.clock.now()));
      await until(`what waits in ${queue} is hinted`, async () => {
        const rows = await inspector.rows<{ id: string }>(WAITING, [queue, Math.round(engine.clock.now())]);
        const hinted = new Set<string>(engine.hinted(queue));
        return rows.every(({ id }) => hinted.has(id));
      });
      return hasLines;
    },
    async vanish(_engine, id) {
      await inspector.query("DELETE FROM sluice.requests WHERE id = $1", [id]);
    },
    async undo(_engine, id) {
      await inspector.query(UNDO, [id]);
    },
    async spoil(_engine, id) {
      await inspector.query("UPDATE sluice.requests SET body = set_bit(body, 0, 1 - get_bit(body, 0)) WHERE id = $1", [
        id,
      ]);
    },
    async misdate(_engine, id, times) {
      if (times === undefined) await inspector.query("DELETE FROM sluice.outcomes WHERE id = $1", [id]);
      else await inspector.query(MISDATE, [id, times.startedAt ?? null, times.finishedAt ?? null]);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(lives.map((one) => one[Symbol.asyncDispose]()));
      if (rabbitmq !== undefined) await removeQueues(queues, { url: rabbitmq.url, prefix });
      await inspector.query(EMPTY);
      await inspector[Symbol.asyncDispose]();
      free.push(databaseUrl);
    },
  };
}

/** Whether the queue has lines; once nothing more will be handed out of them before somebody takes what is. */
async function feederRests(inspector: Connection, queue: string, now: () => number): Promise<boolean> {
  let hasLines = false;
  let handed: string | null | undefined;
  let since = 0;
  await until(`the feeder of ${queue} rests`, async () => {
    const [row] = await inspector.rows<{ has_lines: boolean; news: number; handed: string | null }>(FEEDING, [
      queue,
      now(),
    ]);
    hasLines = row?.has_lines === true;
    if (!hasLines) return true;
    if (row?.news !== 0 || row.handed !== handed) since = performance.now();
    handed = row?.handed;
    return performance.now() - since > feederRestMs;
  });
  return hasLines;
}

interface BrokersNames {
  readonly url: string;
  readonly prefix: string;
}

async function removeQueues(queues: readonly string[], at: BrokersNames, andThen?: "declare"): Promise<void> {
  await using broker = new Broker({ ...at, name: "test", outages: new Outages(log), log });
  await broker.connect();
  await Promise.all(queues.map((queue) => broker.remove(queue)));
  if (andThen === "declare") await Promise.all(queues.map((queue) => broker.declare(queue)));
}

/** One engine and its way to the servers, which can be cut. */
class Life implements AsyncDisposable {
  readonly engine: Engine;
  readonly #proxies: readonly Proxy[];

  static async begin({ databaseUrl, amqpUrl, redisUrl, prefix }: ClusterServers, options: OpenOptions): Promise<Life> {
    const proxies: Proxy[] = [];
    const through = async (url: string, port = Number(new URL(url).port)): Promise<string> => {
      const proxy = await startProxy({ port });
      proxies.push(proxy);
      return withPort(url, proxy.port);
    };
    const engine = await openCluster({
      ...options,
      servers: {
        databaseUrl: await through(databaseUrl, pgbouncer?.port),
        amqpUrl: amqpUrl === undefined ? undefined : await through(amqpUrl),
        redisUrl: redisUrl === undefined ? undefined : await through(redisUrl),
        prefix,
      },
      name: "the engine under test",
      beatMs: 50,
      // Behind a pooler the end of a connection says nothing of who is dead: that takes its silence.
      ...(pgbouncer && { leaseMs: 2_000 }),
      log,
    });
    return new Life(engine, proxies);
  }

  private constructor(engine: Engine, proxies: readonly Proxy[]) {
    this.engine = engine;
    this.#proxies = proxies;
  }

  /** From now on it reaches nobody, and nobody it. */
  cut(): void {
    for (const proxy of this.#proxies) proxy.cut();
    void this.engine.close();
  }

  /** The first deliver of a queue makes the engine take hints; nothing has come by its abort. */
  async openTaps(queues: readonly string[]): Promise<void> {
    const abort = new AbortController();
    const nothing = queues.map((queue) => this.engine.deliver({ queue, max: 500, signal: abort.signal }));
    abort.abort();
    await Promise.all(nothing);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    await Promise.all(this.#proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}

function withPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}

/** Polls: the servers tell nobody. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in ${deadlineMs} ms it did not come about that ${what}`);
    await sleep(20);
  }
}
