import { messageOf, SluiceError } from "../../core/errors.ts";
import { seqOf, type RequestId } from "../../core/request-id.ts";
import type { Logger } from "../../telemetry/log.ts";
import { Connection, type Statement } from "./ledger/connection/database.ts";
import { ClusterEngine } from "./engine.ts";
import { checkSchema, claimPrefix } from "./ledger/schema/migrate.ts";
import { configureLines } from "./ledger/lines.ts";
import type { ClusterOptions } from "./options.ts";
import { partsOf, type Parts } from "./parts.ts";
import { keepPartitions } from "./leader/retention.ts";
import { checkSettings, locally } from "./ledger/connection/settings-check.ts";
import { StoreClock } from "./ledger/connection/store-clock.ts";

const LAST_ID: Statement = { name: "last-id", text: "SELECT id FROM sluice.requests ORDER BY id DESC LIMIT 1" };
/** The counts' rows are there from the start: see await-tally in accept.ts. */
const BEGIN_TALLIES: Statement = {
  name: "begin-tallies",
  text: `WITH ${locally}
    INSERT INTO sluice.tallies (member, queue) SELECT $1, no FROM sluice.queues, locally ON CONFLICT DO NOTHING`,
};

/**
 * Joins the cluster: an engine whose requests live in PostgreSQL, with RabbitMQ to carry their hints and Redis to share the rate,
 * where there are any. Errors: `unreachable` without PostgreSQL, `unsafe-store` when a setting that durability needs does not hold,
 * `schema-missing`, `schema-older` or `schema-newer` before `sluice migrate`, `wrong-queue` when RabbitMQ has a queue of
 * another kind, `bad-config` when the ledger has another prefix. Without RabbitMQ or Redis it starts all the same: intake goes on.
 */
export async function openCluster(options: ClusterOptions): Promise<ClusterEngine> {
  try {
    await checkLedger(options);
    return await join(options);
  } catch (error) {
    // At any step of the start: whoever waits for the servers goes on waiting.
    if (error instanceof SluiceError && error.code === "store-unavailable")
      throw new SluiceError("unreachable", error.message, { cause: error });
    throw error;
  }
}

async function join(options: ClusterOptions): Promise<ClusterEngine> {
  const parts = partsOf(options);
  try {
    for (const queue of await configureLines(parts.reading, options.queues))
      options.log.info(
        { queue },
        "this process's settings of order keys, groups and priorities now apply to the whole cluster",
      );
    await parts.queues.read(parts.reading);
    await parts.session.open();
    await parts.reading.rows(BEGIN_TALLIES, [parts.member()]);
    const [last] = await parts.reading.rows<{ id: RequestId }>(LAST_ID);
    if (last !== undefined) parts.seqs.skipTo(seqOf(last.id));
    await connectBroker(parts, options);
    await parts.cache?.connect();
    parts.leader.open();
    return new ClusterEngine(parts);
  } catch (error) {
    await parts.session.close();
    await parts.dispose();
    throw error;
  }
}

async function checkLedger({ servers, queues, log }: ClusterOptions): Promise<void> {
  await using connection = new Connection({ databaseUrl: servers.databaseUrl, name: "sluice start" });
  await checkSettings(connection);
  await checkSchema(
    connection,
    queues.map(({ name }) => name),
  );
  await claimPrefix(connection, servers.prefix);
  await makePartitions(connection, log);
}

/** Before anything is taken in: what has no partition of its own day is in everybody's way later. */
async function makePartitions(connection: Connection, log: Logger): Promise<void> {
  const clock = new StoreClock();
  try {
    await clock.read(connection);
    await keepPartitions(connection, clock.now(), log);
  } catch (error) {
    // Not the owner of the tables, or others hold on to them: the leader tries again.
    log.warn({ err: messageOf(error) }, "cannot make the partitions of the days to come now");
  }
}

/** RabbitMQ may be out while a process starts; it is looked for until it is there. */
async function connectBroker({ broker }: Parts, { queues, log }: ClusterOptions): Promise<void> {
  if (broker === undefined) return;
  if (!(await broker.connectPatiently())) return; // told as an outage
  for (const { name } of queues)
    if ((await broker.verify(name)) === "missing")
      log.warn({ queue: name }, "RabbitMQ has not got this queue: the leader declares it");
}
