// Looks at the servers as somebody would who has to answer for them, and tries what will be asked of them: on a queue
// and a key that are gone afterwards. No request is touched.
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type ChannelModel, connect } from "amqplib";
import { messageOf, SluiceError } from "../../core/errors.ts";
import { addressOf, nodesOf } from "../../core/server-url.ts";
import { openLog } from "../../telemetry/log.ts";
import { Broker } from "./carriers/rabbitmq/broker.ts";
import { drop } from "./carriers/rabbitmq/broker-connection.ts";
import { tryOut } from "./carriers/cache.ts";
import { Connection, type Statement } from "./ledger/connection/database.ts";
import { checkSchema, readPrefix } from "./ledger/schema/migrate.ts";
import type { ClusterServers } from "./options.ts";
import { Outages } from "./outages.ts";
import { connectPrimary, redisUrlOf } from "./carriers/redis-primary.ts";
import { readSettings } from "./ledger/connection/settings-check.ts";
import { hintQueues, queueArguments } from "./carriers/rabbitmq/topology.ts";

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

/** Of the servers that are given. Never rejects because of one: that it cannot be reached is a finding. */
export async function examine(options: ExamineOptions): Promise<readonly Finding[]> {
  const { databaseUrl, amqpUrl, redisUrl } = options.servers;
  const parts = await Promise.all([
    examineServer("postgres", databaseUrl, () => examinePostgres(options)),
    amqpUrl === undefined ? [] : examineServer("rabbitmq", amqpUrl, () => examineRabbitmq(options, amqpUrl)),
    redisUrl === undefined ? [] : examineServer("redis", redisUrl, () => examineRedis(redisUrl, options.servers)),
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

/**
 * What of the tables may not be read and written, and of the sequences may not be drawn from and set; whether the partitions
 * can be made and dropped. An identity column draws from its sequence without asking.
 */
const MISSING_PRIVILEGES: Statement = {
  name: "doctor-privileges",
  text: `WITH ours AS (SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'sluice' AND c.relkind IN ('r', 'p', 'S'))
    SELECT current_user::text AS "user",
      array(SELECT relname::text FROM ours WHERE CASE WHEN relkind <> 'S' THEN NOT (
        has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
        AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')) END) AS tables,
      array(SELECT relname::text FROM ours WHERE CASE relkind WHEN 'S' THEN NOT has_sequence_privilege(oid, 'UPDATE') END
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = ours.oid AND d.deptype = 'i')) AS sequences,
      (SELECT count(*)::int FROM ours WHERE relkind <> 'S' AND NOT pg_has_role(relowner, 'USAGE')) AS foreign`,
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
  const standbys = await examineStandbys(connection);
  seen.push(...(await examineSchema(connection, { servers, queues })));
  seen.push(await examinePrivileges(connection), await examineConnections(connection), standbys);
  if (canWrite && standbys.verdict !== "unsafe")
    seen.push(latency("commit", await medianMs(() => connection.rows(COMMIT)), "a receipt"));
  return seen;
}

async function examineSchema(connection: Connection, { servers, queues }: ExamineOptions): Promise<Seen[]> {
  try {
    const version = ok("schema", `version ${await checkSchema(connection, queues)}`);
    return [version, prefixSeen(await readPrefix(connection), servers.prefix)];
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code === "store-unavailable") throw error;
    return [unsafe("schema", error.code, error.message)];
  }
}

function prefixSeen(found: string | undefined, prefix: string): Seen {
  if (found === undefined) return ok("prefix", `none: the first start makes it ${prefix}`);
  if (found === prefix) return ok("prefix", found);
  const advice = `this is the ledger of another cluster, got the prefix ${prefix}: use ${found}, or another database`;
  return unsafe("prefix", found, advice);
}

async function examinePrivileges(connection: Connection): Promise<Seen> {
  const [row] = await connection.rows<Privileges>(MISSING_PRIVILEGES);
  const { user = "", tables = [], sequences = [], foreign = 0 } = row ?? {};
  const what = "privileges";
  if (tables.length > 0)
    return unsafe(
      what,
      `${user} may not read and write ${tables.length} of the tables`,
      `grant them: ${tables.join(", ")}`,
    );
  if (sequences.length > 0) {
    const grants = sequences.map((name) => `GRANT USAGE, UPDATE ON SEQUENCE sluice.${name} TO ${user}`);
    return unsafe(what, `${user} may not draw from and set ${sequences.join(", ")}`, grants.join("; "));
  }
  if (foreign === 0) return ok(what, `${user} owns the tables`);
  const cost = "it can make no partitions for the days to come and drop no old ones: let the owner run Sluice";
  return warning(what, `${user} does not own ${foreign} of the tables`, cost);
}

interface Privileges {
  readonly user: string;
  readonly tables: readonly string[];
  readonly sequences: readonly string[];
  readonly foreign: number;
}

/** Without `pg_monitor` a row of pg_stat_replication says nothing but that it is one. */
const STANDBYS: Statement = {
  name: "doctor-standbys",
  text: `SELECT current_setting('synchronous_standby_names') AS names,
      current_setting('synchronous_commit') AS commit_waits, pg_is_in_recovery() AS in_recovery,
      pg_has_role('pg_read_all_stats', 'USAGE') AS may_see,
      array(SELECT coalesce(application_name, '') FROM pg_stat_replication r
        WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum') AND application_name <> 'pg_receivewal'
          AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
      ) AS synchronous,
      (SELECT count(*)::int FROM pg_stat_replication) AS connected`,
};

interface StandbysRow {
  readonly names: string;
  readonly commit_waits: string;
  readonly in_recovery: boolean;
  readonly may_see: boolean;
  readonly synchronous: readonly string[];
  readonly connected: number;
}

const anyCost =
  "a * counts pg_receivewal and logical subscribers as well, which nobody can promote: name the standbys in " +
  "synchronous_standby_names";

/** What a failover would lose. */
async function examineStandbys(connection: Connection): Promise<Seen> {
  const what = "standbys";
  const [row] = await connection.rows<StandbysRow>(STANDBYS);
  if (row === undefined || row.in_recovery) return warning(what, "not told", "this is a standby itself");
  const { names, commit_waits: commitWaits, may_see: maySee, synchronous, connected } = row;
  const lost =
    "a failover loses the receipts that no standby had yet: set synchronous_standby_names and synchronous_commit = on";
  if (names.trim() === "") {
    const alone = "receipts are as durable as the disk of this machine";
    if (connected === 0) return warning(what, "none", `${alone}: add a standby, and set synchronous_standby_names`);
    return warning(what, `${connected}, none is synchronous`, `${alone}: ${lost}`);
  }
  if (commitWaits === "local" || commitWaits === "off")
    return warning(what, `synchronous_commit is ${commitWaits}`, `no commit waits for a standby: ${lost}`);
  if (!maySee && connected > 0)
    return warning(what, `${connected}, not told which`, "to see whether one is synchronous: GRANT pg_read_all_stats");
  // `FIRST 2 (a, b, c)`, `ANY 2 (…)` or `2 (…)`
  const needed = Number(/(\d+)\s*\(/.exec(names)?.[1] ?? 1);
  const found = `synchronous: ${synchronous.join(", ")}`;
  if (synchronous.length >= needed && names.includes("*")) return warning(what, `${found}, by *`, anyCost);
  if (synchronous.length >= needed) return ok(what, found);
  const cost = "each commit waits for them, and so does each request: start them, or change synchronous_standby_names";
  return unsafe(what, `${synchronous.length} of ${needed} in ${names} connected`, cost);
}

async function examineConnections(connection: Connection): Promise<Seen> {
  const [row] = await connection.rows<{ most: number; used: number }>(HEADROOM);
  const { most = 0, used = 0 } = row ?? {};
  const found = `${used} of ${most} in use`;
  return most - used >= connectionsMin
    ? ok("max_connections", found)
    : warning("max_connections", found, `another process of Sluice may not get in: leave ${connectionsMin} free`);
}

async function examineRabbitmq({ servers, queues }: ExamineOptions, url: string): Promise<Seen[]> {
  const { prefix } = servers;
  const log = openLog({ level: "silent", isPretty: false });
  await using broker = new Broker({ url, prefix, name: "sluice doctor", outages: new Outages(log), log });
  await broker.connect();
  const nodes = nodesOf(url);
  const seen = (await Promise.all(nodes.map((node) => examineNode(node, nodes.length === 1)))).flat();
  for (const queue of queues) seen.push(await examineQueue(broker, queue));
  const tried = queues.slice(0, keepingMax);
  seen.push(...(await Promise.all(tried.map((queue) => examineKeeping(url, prefix, queue)))));
  if (tried.length < queues.length) seen.push(ok("hints", `tried on ${tried.length} of ${queues.length} queues`));
  return seen;
}

/** One of several that does not answer costs nothing yet. */
async function examineNode(node: string, isOnly: boolean): Promise<Seen[]> {
  const place = isOnly ? "" : ` at ${addressOf(node)}`;
  try {
    return await connected(node, async (model) => {
      const { version } = model.connection.serverProperties;
      const took = await medianMs(async () => (await model.createChannel()).close());
      return [atLeast(`version${place}`, version, "3.10"), latency(`latency${place}`, took, "a hint")];
    });
  } catch (error) {
    if (isOnly) throw error;
    return [warning(`node${place}`, `no: ${messageOf(error)}`, nodeCost)];
  }
}

const nodeCost = "look whether it runs; the other nodes do its work";
const answerMsMax = 15_000;
const closeMsMax = 1_000;

async function connected<Value>(node: string, work: (model: ChannelModel) => Promise<Value>): Promise<Value> {
  const model = await connect(node, { timeout: connectMsMax });
  model.on("error", () => {}); // what is under way rejects
  const late = delay(answerMsMax, undefined, { ref: false }).then(() => {
    throw new Error(`no answer within ${answerMsMax} ms`);
  });
  try {
    return await Promise.race([work(model), late]);
  } finally {
    const closed = model.close().catch(() => undefined); // gone already
    await Promise.race([closed, delay(closeMsMax, undefined, { ref: false })]);
    drop(model); // one that publishes too much is not heard, not even when it closes
  }
}

/** Each takes a connection and two queues of RabbitMQ for some seconds, and a policy mostly applies to all queues or to none. */
const keepingMax = 10;
const keptCount = 1_000;
const keptMs = 2_000;

/**
 * On the first node that does it. A client of AMQP cannot read policies: one that applies to a queue of ours applies to those
 * whose names begin like it.
 */
async function examineKeeping(url: string, prefix: string, queue: string): Promise<Seen> {
  const what = `hints of ${queue}`;
  const name = `${hintQueues(prefix, queue).again}.doctor-${randomBytes(4).toString("hex")}`;
  let failure: unknown;
  for (const node of nodesOf(url)) {
    try {
      return await connected(node, async (model) => {
        const [kept, isKept] = await Promise.all([hintsKept(model, name), isQueueKept(model, `${name}-unused`)]);
        if (!isKept) return unsafe(what, "RabbitMQ deletes the queue while it is not used", policyCost);
        const found = `${kept} of ${keptCount} kept for ${keptMs / 1_000} s`;
        return kept === keptCount ? ok(what, found) : unsafe(what, found, policyCost);
      });
    } catch (error) {
      failure = error;
    }
  }
  return unsafe(what, messageOf(failure), `RabbitMQ does not do what Sluice asks of it; ${policyCost}`);
}

async function hintsKept(model: ChannelModel, name: string): Promise<number> {
  const channel = await model.createConfirmChannel();
  channel.on("error", () => {}); // what is under way rejects
  const expires = { "x-expires": 60_000 }; // should nobody be left to delete it
  await channel.assertQueue(name, { durable: true, arguments: { ...queueArguments, ...expires } });
  for (let count = 0; count < keptCount; count += 1)
    channel.sendToQueue(name, Buffer.from("doctor"), { persistent: true });
  await channel.waitForConfirms().catch(() => undefined); // one that is refused is not kept
  await delay(keptMs);
  const { messageCount } = await channel.checkQueue(name);
  await channel.deleteQueue(name);
  return messageCount;
}

/** An argument for it would hide a policy's `expires`: this one goes with the connection. */
async function isQueueKept(model: ChannelModel, name: string): Promise<boolean> {
  const channel = await model.createChannel();
  channel.on("error", () => {}); // what is under way rejects
  await channel.assertQueue(name, { exclusive: true, durable: false });
  await delay(keptMs);
  return channel.checkQueue(name).then(
    () => true,
    () => false,
  );
}

const policyCost =
  "a policy with message-ttl, max-length, max-length-bytes or expires applies to Sluice's queues: rabbitmqctl list_policies " +
  "shows it. Take it off them; hints that RabbitMQ drops wait until the leader puts them back";

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

async function examineRedis(url: string, { prefix }: ClusterServers): Promise<Seen[]> {
  const reached = await connectPrimary(url, () => Promise.resolve(), never);
  try {
    const nodes = nodesOf(url);
    const seen = nodes.length === 1 ? [] : await Promise.all(nodes.map(examineRedisNode));
    seen.push(await examineWork(url, prefix));
    const told = await reached.info();
    const policy = /^maxmemory_policy:(\S+)/m.exec(told)?.[1] ?? "not told";
    const version = /^redis_version:(\S+)/m.exec(told)?.[1] ?? "not told";
    seen.push(
      atLeast("version", version, "7"),
      policy === "noeviction" ? ok("maxmemory-policy", policy) : warning("maxmemory-policy", policy, evictionCost),
      latency("latency", await medianMs(() => reached.ping()), "a start under the shared rate"),
    );
    return seen;
  } finally {
    reached.destroy();
  }
}

const never = new AbortController().signal;

/** A Sentinel, or one of several hosts. */
async function examineRedisNode(node: string): Promise<Seen> {
  const what = `node at ${addressOf(node)}`;
  try {
    const found = await redisUrlOf(node, never);
    if (found !== node) return ok(what, `the primary is ${addressOf(found)}`);
    (await connectPrimary(node, () => Promise.resolve(), never)).destroy();
    return ok(what, "answers");
  } catch (error) {
    return warning(what, messageOf(error), nodeCost);
  }
}

async function examineWork(url: string, prefix: string): Promise<Seen> {
  const what = "rate and notices";
  try {
    (await connectPrimary(url, (client) => tryOut(client, prefix), never)).destroy();
    return ok(what, "kept and told");
  } catch (error) {
    const cost = "processes do without it: each keeps to its share of the rate, and notices come late";
    return unsafe(what, messageOf(error), `Redis does not do what Sluice asks of it; ${cost}`);
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
