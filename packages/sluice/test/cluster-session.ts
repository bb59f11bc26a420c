// A process as a member of a cluster, with nothing else of an engine: for tests of who is there and who leads.
import { openLog } from "../src/telemetry/log.ts";
import { migrateCluster } from "../src/engines/cluster/ledger/schema/migrate.ts";
import { Outages } from "../src/engines/cluster/outages.ts";
import { Session, type Carriers } from "../src/engines/cluster/members/session.ts";
import { StoreClock } from "../src/engines/cluster/ledger/connection/store-clock.ts";

const log = openLog({ level: "silent", isPretty: false });

/** The ledger with a queue `orders`; no broker and no cache. */
export async function migrateLedger(databaseUrl: string): Promise<void> {
  const servers = { databaseUrl, amqpUrl: undefined, redisUrl: undefined, prefix: "t" };
  await migrateCluster({ servers, queues: ["orders"], log });
}

/** It has beaten once. Disposing, or closing, leaves the cluster. */
export async function joinCluster(
  databaseUrl: string,
  name: string,
  beatMs = 50,
  carriers: Carriers = { rabbitmq: true, redis: true },
): Promise<Session & AsyncDisposable> {
  const session = new Session({
    databaseUrl,
    name,
    carriers,
    beatMs,
    clock: new StoreClock(),
    outages: new Outages(log),
    log,
    onBeat: () => Promise.resolve(),
  });
  await session.open();
  return Object.assign(session, { [Symbol.asyncDispose]: () => session.close() });
}
