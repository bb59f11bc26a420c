// A process as a member of a cluster, with nothing else of an engine: for tests of who is there and who leads.
import { openLog } from "../src/telemetry/log.ts";
import { migrateCluster } from "../src/engines/cluster/ledger/schema/migrate.ts";
import { Outages } from "../src/engines/cluster/outages.ts";
import { Session, type Carriers } from "../src/engines/cluster/members/session.ts";
import type { Candidate } from "../src/engine/contract/rig.ts";
import { Acting, type Term } from "../src/engines/cluster/leader/terms.ts";
import { Connection, type Statement } from "../src/engines/cluster/ledger/connection/database.ts";
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

const NOTE: Statement = { name: "note", text: "UPDATE sluice.queues SET replicas_asked = $1 WHERE name = 'orders'" };
const BACKEND: Statement = {
  name: "backend",
  text: "SELECT m.backend AS pid, a.state FROM sluice.members m JOIN pg_stat_activity a ON a.pid = m.backend WHERE m.no = $1",
};

/** It acts by a connection of its own: what becomes of its session says nothing of whether the server hears it. */
export async function joinAsCandidate(databaseUrl: string): Promise<Candidate> {
  const session = await joinCluster(databaseUrl, "a candidate");
  const connection = new Connection({ databaseUrl, name: "a candidate's act" });
  let led: Term | undefined;
  return {
    get term() {
      led = session.term ?? led;
      return session.term?.term;
    },
    act: (term, replicas, meanwhile) =>
      new Acting(connection, () => led && { ...led, term }).transaction(async (inside) => {
        await inside.rows(NOTE, [replicas]);
        await meanwhile?.();
      }),
    async hang() {
      await using db = new Connection({ databaseUrl, name: "test" });
      for (;;) {
        const [{ pid } = { pid: 0 }] = await db.rows<{ pid: number }>(BACKEND, [session.member]);
        if (pid === 0) continue;
        process.kill(pid, "SIGSTOP");
        const [stopped] = await db.rows<{ state: string }>(BACKEND, [session.member]);
        if (stopped?.state === "idle") return { [Symbol.dispose]: () => void process.kill(pid, "SIGCONT") };
        process.kill(pid, "SIGCONT"); // in the middle of a beat, it may hold what others wait for
      }
    },
    async [Symbol.asyncDispose]() {
      await session.close();
      await connection[Symbol.asyncDispose]();
    },
  };
}
