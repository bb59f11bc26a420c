// Makes the ledger, or brings it up to this version. Nothing else does: a process that starts only checks.
import { SluiceError } from "../../../../core/errors.ts";
import { addressOf } from "../../../../core/server-url.ts";
import { crashPoint } from "../../../../engine/crash-point.ts";
import type { Logger } from "../../../../telemetry/log.ts";
import { Broker } from "../../carriers/rabbitmq/broker.ts";
import { claimFunction } from "../claim.ts";
import { Connection, type Connected, type Statement } from "../connection/database.ts";
import { ledger } from "./migrations/0001-ledger.ts";
import { callbacks } from "./migrations/0002-callbacks.ts";
import { clocks } from "./migrations/0003-clocks.ts";
import { pauses } from "./migrations/0004-pauses.ts";
import { scaling } from "./migrations/0005-scaling.ts";
import { senders } from "./migrations/0006-senders.ts";
import { activity } from "./migrations/0007-activity.ts";
import { leaders } from "./migrations/0008-leaders.ts";
import { chains } from "./migrations/0009-chains.ts";
import { responses } from "./migrations/0010-responses.ts";
import { carriers } from "./migrations/0011-carriers.ts";
import { sharing } from "./migrations/0012-sharing.ts";
import { aliases } from "./migrations/0013-aliases.ts";
import { placements } from "./migrations/0014-placements.ts";
import { lines } from "./migrations/0015-lines.ts";
import type { ClusterServers } from "../../options.ts";
import { Outages } from "../../outages.ts";
import { keepPartitions, LOCK_SCHEMA } from "../../leader/retention.ts";
import { StoreClock } from "../connection/store-clock.ts";

/** In order; what is released is never edited, only added to. The row `schema_version` of sluice.meta counts those applied. */
const migrations: readonly string[] = [
  ledger,
  callbacks,
  clocks,
  pauses,
  scaling,
  senders,
  activity,
  leaders,
  chains,
  responses,
  carriers,
  sharing,
  aliases,
  placements,
  lines,
];
export const versionKnown = migrations.length;
/** What `sluice migrate` makes again each time: a function lies beside its caller, and is not part of a migration. */
const functions: readonly Statement[] = [claimFunction];

const HAS_META: Statement = {
  name: "migrate-has-meta",
  text: `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'sluice') AS has_schema,
    EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'sluice' AND c.relname = 'meta') AS has_meta`,
};
const SELECT_VERSION: Statement = {
  name: "migrate-version",
  text: "SELECT value::int AS version FROM sluice.meta WHERE name = 'schema_version'",
};
const SET_VERSION: Statement = {
  name: "migrate-set-version",
  text: `INSERT INTO sluice.meta (name, value) VALUES ('schema_version', $1)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
};
/** The first one stays. */
const CLAIM_PREFIX: Statement = {
  name: "migrate-claim-prefix",
  text: `INSERT INTO sluice.meta AS m (name, value) VALUES ('prefix', $1)
    ON CONFLICT (name) DO UPDATE SET value = m.value RETURNING value`,
};
const SELECT_PREFIX: Statement = {
  name: "migrate-prefix",
  text: "SELECT value FROM sluice.meta WHERE name = 'prefix'",
};
/** What is there already draws no number: there are 32,767 of them. */
export const ADD_QUEUES: Statement = {
  name: "migrate-add-queues",
  text: `INSERT INTO sluice.queues (name) SELECT i.name FROM unnest($1::text[]) AS i (name)
    WHERE NOT EXISTS (SELECT FROM sluice.queues q WHERE q.name = i.name) RETURNING name`,
};
const MISSING_FUNCTIONS: Statement = {
  name: "migrate-missing-functions",
  text: "SELECT i.name FROM unnest($1::text[]) AS i (name) WHERE to_regproc('sluice.' || i.name) IS NULL",
};
const MISSING_QUEUES: Statement = {
  name: "migrate-missing-queues",
  text: `SELECT i.name FROM unnest($1::text[]) AS i (name)
    WHERE NOT EXISTS (SELECT FROM sluice.queues q WHERE q.name = i.name)`,
};

export type Declare = (queue: string) => Promise<"declared" | "present">;

export interface MigrateOptions {
  readonly servers: ClusterServers;
  readonly queues: readonly string[];
  readonly log: Logger;
  /** Makes what the broker needs for a queue; at RabbitMQ, if the servers have one, unless given. */
  readonly declare?: Declare | undefined;
}

export interface Migrated {
  /** Versions of the schema; 0 is none. */
  readonly from: number;
  readonly to: number;
  /** Those that the broker did not have; without one, those that the ledger did not. */
  readonly queuesDeclared: readonly string[];
}

/**
 * Brings the database up to this version, makes its functions and what is missing of the queues, and declares those at RabbitMQ
 * if there is one. Any number of processes may do it at once, and again after a crash. Errors: `unreachable`, `schema-newer`,
 * `wrong-queue`, `bad-config` for a ledger with another prefix.
 */
export async function migrateCluster(options: MigrateOptions): Promise<Migrated> {
  const { servers, queues, log, declare } = options;
  await using connection = new Connection({ databaseUrl: servers.databaseUrl, name: "sluice migrate" });
  const from = await reached(servers.databaseUrl, () => readVersion(connection));
  refuseNewer(from);
  if (from > 0) await claimPrefix(connection, servers.prefix);
  for (let version = from; version < versionKnown;) version = await migrateStep(connection, log);
  await claimPrefix(connection, servers.prefix);
  const added = await connection.transaction(async (inside) => {
    await inside.rows(LOCK_SCHEMA);
    for (const { text } of functions) await inside.script(text);
    return inside.rows<{ readonly name: string }>(ADD_QUEUES, [[...new Set(queues)]]);
  });
  const clock = new StoreClock();
  await clock.read(connection);
  await keepPartitions(connection, clock.now(), log);
  const declaring = declare === undefined ? declareAtBroker(options) : declareAll(queues, declare);
  return { from, to: versionKnown, queuesDeclared: (await declaring) ?? added.map(({ name }) => name) };
}

/** Errors: `schema-missing`, `schema-older`, `schema-newer`; `schema-missing` also for a queue without its row. */
export async function checkSchema(db: Connected, queues: readonly string[]): Promise<number> {
  const version = await readVersion(db);
  if (version === 0) {
    throw new SluiceError("schema-missing", "the database has no schema of Sluice yet: run sluice migrate");
  }
  if (version < versionKnown) {
    const found = `the database has schema ${version}, this Sluice needs ${versionKnown}`;
    throw new SluiceError("schema-older", `${found}: run sluice migrate`);
  }
  refuseNewer(version);
  const [absent] = await db.rows<{ name: string }>(MISSING_FUNCTIONS, [functions.map(({ name }) => name)]);
  if (absent !== undefined) {
    const found = `the database has no function sluice.${absent.name}, which this Sluice needs`;
    throw new SluiceError("schema-older", `${found}: run sluice migrate`);
  }
  const missing = await db.rows<{ name: string }>(MISSING_QUEUES, [queues]);
  if (missing.length > 0) {
    const names = missing.map(({ name }) => `"${name}"`).join(", ");
    throw new SluiceError("schema-missing", `the database does not know the queue ${names} yet: run sluice migrate`);
  }
  return version;
}

/**
 * A ledger belongs to the cluster whose prefix it got first, by a migration or a start: processes with different prefixes
 * would share requests, and neither rate nor hints. Errors: `bad-config` for another one.
 */
export async function claimPrefix(db: Connected, prefix: string): Promise<void> {
  const claimed = (await readPrefix(db)) ?? (await db.rows<{ value: string }>(CLAIM_PREFIX, [prefix]))[0]?.value;
  if (claimed === undefined || claimed === prefix) return;
  throw new SluiceError(
    "bad-config",
    `this database is the ledger of the cluster with the prefix "${claimed}", got the prefix "${prefix}": ` +
      "use that prefix, or another database",
  );
}

/** Undefined while no cluster has claimed the ledger. */
export async function readPrefix(db: Connected): Promise<string | undefined> {
  const [row] = await db.rows<{ value: string }>(SELECT_PREFIX);
  return row?.value;
}

/** One migration, the next one that is missing; the version after it. */
async function migrateStep(connection: Connection, log: Logger): Promise<number> {
  return connection.transaction(async (inside) => {
    await inside.rows(LOCK_SCHEMA);
    const version = await readVersion(inside);
    const statements = migrations[version];
    if (statements === undefined) return version; // somebody else was faster
    if (version === 0) await makeMeta(inside);
    await inside.script(statements);
    await inside.rows(SET_VERSION, [String(version + 1)]);
    crashPoint("migration");
    log.info({ from: version, to: version + 1 }, "the schema has been migrated");
    return version + 1;
  });
}

/** An administrator may have made the schema already, for a user who must not. */
async function makeMeta(inside: Connected): Promise<void> {
  const [found] = await inside.rows<{ has_schema: boolean }>(HAS_META);
  if (found?.has_schema !== true) await inside.script("CREATE SCHEMA sluice");
  await inside.script("CREATE TABLE IF NOT EXISTS sluice.meta (name text PRIMARY KEY, value text NOT NULL)");
}

async function readVersion(db: Connected): Promise<number> {
  const [found] = await db.rows<{ has_meta: boolean }>(HAS_META);
  if (found?.has_meta !== true) return 0;
  const [row] = await db.rows<{ version: number }>(SELECT_VERSION);
  return row?.version ?? 0;
}

function refuseNewer(version: number): void {
  if (version <= versionKnown) return;
  const found = `the database has schema ${version}, this Sluice knows up to ${versionKnown}`;
  throw new SluiceError("schema-newer", `${found}: use the newer version`);
}

/** Here nobody waits for a server to come back: one that is out cannot be reached. */
async function reached<Value>(url: string, call: () => Promise<Value>): Promise<Value> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== "store-unavailable") throw error;
    throw new SluiceError("unreachable", `at ${addressOf(url)}: ${error.message}`, { cause: error });
  }
}

/** Undefined without one. */
async function declareAtBroker({ servers, queues, log }: MigrateOptions): Promise<readonly string[] | undefined> {
  const { amqpUrl: url, prefix } = servers;
  if (url === undefined) return undefined;
  await using broker = new Broker({ url, prefix, name: "sluice migrate", outages: new Outages(log), log });
  await broker.connect();
  return await declareAll(queues, (queue) => broker.declare(queue));
}

async function declareAll(queues: readonly string[], declare: Declare): Promise<readonly string[]> {
  const declared: string[] = [];
  for (const queue of queues) if ((await declare(queue)) === "declared") declared.push(queue);
  return declared;
}
