// Looks at the three servers as somebody would who has to answer for them. No request is touched.
import { connect } from "amqplib";
import { createClient } from "redis";
import { messageOf, SluiceError } from "../../core/errors.ts";
import { addressOf } from "../../core/server-url.ts";
import { openLog } from "../../telemetry/log.ts";
import { Broker } from "./broker.ts";
import { Connection, type Statement } from "./database.ts";
import { checkSchema } from "./migrate.ts";
import type { ClusterServers } from "./options.ts";
import { Outages } from "./outages.ts";
import { readSettings } from "./settings-check.ts";

export type Server = "postgres" | "rabbitmq" | "redis";

export interface Finding {
  readonly server: Server;
  /** What was looked at, such as a setting or `reachable`. */
  readonly what: string;
  readonly found: string;
  /** With `unsafe` Sluice does not start, or does not work; a `warning` says what it costs. */
  readonly verdict: "ok" | "warning" | "unsafe";
  readonly advice?: string;
}

export interface ExamineOptions {
  readonly servers: ClusterServers;
  readonly queues: readonly string[];
}

type Seen = Omit<Finding, "server">;

/** Never rejects because of a server: one that cannot be reached is a finding. */
export async function examine(options: ExamineOptions): Promise<readonly Finding[]> {
  const { databaseUrl, amqpUrl, redisUrl } = options.servers;
  const parts = await Promise.all([
    examineServer("postgres", databaseUrl, () => examinePostgres(options)),
    examineServer("rabbitmq", amqpUrl, () => examineRabbitmq(options)),
    examineServer("redis", redisUrl, () => examineRedis(redisUrl)),
  ]);
  return parts.flat();
}

const latencyMsMax = 50;
const latencyRounds = 5;
const connectMsMax = 5_000;

async function examineServer(server: Server, url: string, look: () => Promise<Seen[]>): Promise<Finding[]> {
  const address = addressOf(url);
  try {
    return (await look()).map((seen) => ({ server, ...seen }));
  } catch (error) {
    const found = `no: ${messageOf(error) || "the connection was refused"}`;
    return [{ server, what: "reachable", found, verdict: "unsafe", advice: `look whether it runs at ${address}` }];
  }
}

/** With privileges on less than all tables; whether the partitions can be made and dropped. */
const MISSING_PRIVILEGES: Statement = {
  name: "doctor-privileges",
  text: `SELECT current_user::text AS "user", count(*) FILTER (WHERE NOT (
        has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))::int AS refused,
      count(*) FILTER (WHERE NOT pg_has_role(c.relowner, 'USAGE'))::int AS foreign
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'sluice' AND c.relkind IN ('r', 'p')`,
};
const HEADROOM: Statement = {
  name: "doctor-connections",
  text: `SELECT current_setting('max_connections')::int AS most,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int AS used`,
};
/** Writes a record to the log that nobody reads, so that its commit is a real one. */
const COMMIT: Statement = {
  name: "doctor-commit",
  text: "SELECT pg_logical_emit_message(true, 'sluice doctor', '')",
};
/** More than a process needs; with less left the next one may not get in. */
const connectionsMin = 20;

async function examinePostgres({ servers, queues }: ExamineOptions): Promise<Seen[]> {
  await using connection = new Connection({ databaseUrl: servers.databaseUrl, name: "sluice doctor" });
  const settings = await readSettings(connection);
  const seen = settings.map(({ setting, found, needed, isSafe, why }): Seen =>
    isSafe ? ok(setting, found) : unsafe(setting, found, `must be ${needed}: ${why}`),
  );
  const canWrite = settings.every(({ setting, isSafe }) => isSafe || !/recovery|read_only/.test(setting));
  seen.push(await examineSchema(connection, queues));
  seen.push(await examinePrivileges(connection), await examineConnections(connection));
  if (canWrite) seen.push(latency("commit", await medianMs(() => connection.rows(COMMIT)), "a receipt"));
  return seen;
}

async function examineSchema(connection: Connection, queues: readonly string[]): Promise<Seen> {
  try {
    return ok("schema", `version ${await checkSchema(connection, queues)}`);
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code === "store-unavailable") throw error;
    return unsafe("schema", error.code, error.message);
  }
}

async function examinePrivileges(connection: Connection): Promise<Seen> {
  const [row] = await connection.rows<{ user: string; refused: number; foreign: number }>(MISSING_PRIVILEGES);
  const { user = "", refused = 0, foreign = 0 } = row ?? {};
  const what = "privileges";
  if (refused > 0) return unsafe(what, `${user} may not read and write ${refused} of the tables`, "grant them");
  if (foreign === 0) return ok(what, `${user} owns the tables`);
  const cost = "it can make no partitions for the days to come and drop no old ones: let the owner run Sluice";
  return warning(what, `${user} does not own ${foreign} of the tables`, cost);
}

async function examineConnections(connection: Connection): Promise<Seen> {
  const [row] = await connection.rows<{ most: number; used: number }>(HEADROOM);
  const { most = 0, used = 0 } = row ?? {};
  const found = `${used} of ${most} in use`;
  return most - used >= connectionsMin
    ? ok("max_connections", found)
    : warning("max_connections", found, `another process of Sluice may not get in: leave ${connectionsMin} free`);
}

async function examineRabbitmq({ servers, queues }: ExamineOptions): Promise<Seen[]> {
  const { amqpUrl: url, prefix } = servers;
  const log = openLog({ level: "silent", isPretty: false });
  await using broker = new Broker({ url, prefix, name: "sluice doctor", outages: new Outages(log), log });
  await broker.connect();
  const seen = await examineLink(url);
  for (const queue of queues) seen.push(await examineQueue(broker, queue));
  return seen;
}

async function examineLink(url: string): Promise<Seen[]> {
  const model = await connect(url, { timeout: connectMsMax });
  model.on("error", () => {}); // what is under way rejects
  try {
    const { version } = model.connection.serverProperties;
    const took = await medianMs(async () => (await model.createChannel()).close());
    return [atLeast("version", version, "3.10"), latency("latency", took, "a hint")];
  } finally {
    await model.close().catch(() => undefined); // gone already
  }
}

async function examineQueue(broker: Broker, queue: string): Promise<Seen> {
  const what = `queue ${queue}`;
  try {
    if ((await broker.verify(queue)) === "present") return ok(what, "quorum queues with the arguments needed");
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== "wrong-queue") throw error;
    return unsafe(what, error.message, "delete it with its hints: they are put back from PostgreSQL");
  }
  return warning(what, "missing", "run sluice migrate; until then nothing of it is delivered");
}

async function examineRedis(url: string): Promise<Seen[]> {
  const client = createClient({
    url,
    socket: { connectTimeout: connectMsMax, reconnectStrategy: false },
    disableOfflineQueue: true,
    maintNotifications: "disabled",
  });
  client.on("error", () => {}); // what is under way rejects
  try {
    await client.connect();
    const told = await client.info();
    const policy = /^maxmemory_policy:(\S+)/m.exec(told)?.[1] ?? "not told";
    const version = /^redis_version:(\S+)/m.exec(told)?.[1] ?? "not told";
    return [
      atLeast("version", version, "7"),
      policy === "noeviction" ? ok("maxmemory-policy", policy) : warning("maxmemory-policy", policy, evictionCost),
      latency("latency", await medianMs(() => client.ping()), "a start under the shared rate"),
    ];
  } finally {
    client.destroy();
  }
}

const evictionCost =
  "set noeviction: a key that is evicted is the shared rate of a queue, which then goes over it in a brief burst; " +
  "nothing is lost";

function ok(what: string, found: string): Seen {
  return { what, found, verdict: "ok" };
}

function warning(what: string, found: string, advice: string): Seen {
  return { what, found, verdict: "warning", advice };
}

function unsafe(what: string, found: string, advice: string): Seen {
  return { what, found, verdict: "unsafe", advice };
}

function latency(what: string, tookMs: number, waiting: string): Seen {
  const found = `${tookMs.toFixed(1)} ms`;
  return tookMs <= latencyMsMax ? ok(what, found) : warning(what, found, `${waiting} waits for it each time`);
}

function atLeast(what: string, found: string, needed: string): Seen {
  const isEnough = found.localeCompare(needed, "en", { numeric: true }) >= 0;
  return isEnough ? ok(what, found) : warning(what, found, `older than ${needed}, which is the oldest that is tested`);
}

async function medianMs(call: () => Promise<unknown>): Promise<number> {
  const took: number[] = [];
  for (let round = 0; round < latencyRounds; round += 1) {
    const startedAt = performance.now();
    await call();
    took.push(performance.now() - startedAt);
  }
  return took.toSorted((left, right) => left - right)[Math.floor(latencyRounds / 2)] ?? 0;
}
