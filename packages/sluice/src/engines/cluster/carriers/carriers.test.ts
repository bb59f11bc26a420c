// What each carrier must do with real servers: bring what was told, bring again what a worker that is gone had, and give nobody
// more than was asked for. That hints get lost is a carrier's right: the leader finds them.
import { deepEqual, ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  startPostgres,
  startProxy,
  startRabbitmq,
  temporaryFolder,
  type Postgres,
  type Rabbitmq,
} from "@sluice/testing";
import { pino } from "pino";
import { requestIdOf, type RequestId } from "../../../core/request-id.ts";
import { Connection } from "../ledger/connection/database.ts";
import { Outbox } from "../ledger/outbox.ts";
import { QueueNumbers } from "../ledger/queue-numbers.ts";
import { migrateCluster } from "../ledger/schema/migrate.ts";
import { Outages } from "../outages.ts";
import type { Carrier, CarrierName, Consumption, HintKind, HintMessage, OutboxRow } from "./carrier.ts";
import { freeHintsOfGone, PostgresCarrier } from "./postgres.ts";
import { Broker } from "./rabbitmq/broker.ts";
import { RabbitmqCarrier } from "./rabbitmq/carrier.ts";

const log = pino({ level: "silent" });
const resources = new AsyncDisposableStack();
const hintIdsMax = 4;
let postgres: Postgres;
let rabbitmq: Rabbitmq;
let ledgers = 0;
let seq = 0;

before(async () => {
  const folder = resources.use(await temporaryFolder());
  [postgres, rabbitmq] = await Promise.all([startPostgres({ folder: folder.path }), startRabbitmq()]);
  resources.use(postgres);
  resources.use(rabbitmq);
});
after(() => resources.disposeAsync());

function newIds(count: number): readonly RequestId[] {
  return Array.from({ length: count }, () => requestIdOf((seq += 1), randomBytes(8)));
}

/** A process that takes hints, and does what it is told with them. */
class Worker {
  readonly messages: HintMessage[] = [];
  readonly #consumption: Consumption;
  readonly #crash: () => Promise<void>;

  constructor(carrier: Carrier, { prefetch, crash }: { prefetch: number; crash: () => Promise<void> }) {
    this.#crash = crash;
    this.#consumption = carrier.consume({
      queue: "orders",
      prefetch,
      onHints: (message) => void this.messages.push(message),
      onLost: () => void this.messages.splice(0),
    });
  }

  get ids(): readonly RequestId[] {
    return this.messages.flatMap(({ ids }) => ids);
  }

  /** All that it has now. */
  done(): void {
    for (const message of this.messages.splice(0)) message.done();
  }

  stop(): Promise<void> {
    return this.#consumption.stop();
  }

  /** Dies with what it holds, and says nothing. */
  crash(): Promise<void> {
    return this.#crash();
  }
}

interface Reached {
  readonly databaseUrl: string;
  readonly amqpUrl: string;
  readonly prefix: string;
}

class Rig implements AsyncDisposable {
  readonly #own = new AsyncDisposableStack();
  readonly #name: CarrierName;
  readonly #servers: Reached;
  readonly #queues = new QueueNumbers();
  readonly db: Connection;
  #outbox: Outbox | undefined;
  #members = 0;

  static async open(name: CarrierName): Promise<Rig> {
    ledgers += 1;
    const prefix = `carrier_${ledgers}`;
    const databaseUrl = await postgres.createDatabase(prefix);
    const servers = { databaseUrl, amqpUrl: rabbitmq.url, redisUrl: "redis://127.0.0.1:1", prefix };
    await migrateCluster({ servers, queues: ["orders"], log });
    const rig = new Rig(name, servers);
    await rig.#queues.read(rig.db);
    rig.#outbox = new Outbox({ connection: rig.db, carrierOf: () => teller });
    const teller = await rig.#carrier(0);
    return rig;
  }

  private constructor(name: CarrierName, servers: Reached) {
    this.#name = name;
    this.#servers = servers;
    this.db = this.#own.use(new Connection({ databaseUrl: servers.databaseUrl, name: "a test" }));
  }

  async worker(prefetch = 1_000): Promise<Worker> {
    const member = (this.#members += 1);
    await this.db.query("INSERT INTO sluice.members (no, name) OVERRIDING SYSTEM VALUE VALUES ($1, 'a worker')", [
      member,
    ]);
    const proxy = this.#own.use(await startProxy({ port: this.#name === "rabbitmq" ? rabbitmq.port : postgres.port }));
    const carrier = await this.#carrier(member, proxy.port);
    const crash = async (): Promise<void> => {
      proxy.cut();
      await this.db.query("DELETE FROM sluice.members WHERE no = $1", [member]);
      await freeHintsOfGone(this.db); // as the leader does
    };
    return new Worker(carrier, { prefetch, crash });
  }

  async commit(ids: readonly RequestId[], kind: HintKind = "fresh"): Promise<OutboxRow> {
    const text = "INSERT INTO sluice.outbox (queue, kind, ids) VALUES ($1, $2, $3::uuid[]) RETURNING no::int";
    const queue = this.#queues.noOf("orders");
    const { rows } = await this.db.query(text, [queue, kind, ids]);
    return { no: (rows[0] as { no: number }).no, queue, kind, ids };
  }

  /** Commits, and tells of it. */
  async tell(ids: readonly RequestId[], kind: HintKind = "fresh"): Promise<void> {
    await this.#outbox?.tell([await this.commit(ids, kind)]);
  }

  async told(row: OutboxRow): Promise<void> {
    await this.#outbox?.tell([row]);
  }

  async outboxRows(): Promise<number> {
    const { rows } = await this.db.query("SELECT count(*)::int AS count FROM sluice.outbox");
    return (rows[0] as { count: number }).count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#outbox?.close();
    await this.#own.disposeAsync();
  }

  async #carrier(member: number, port?: number): Promise<Carrier> {
    const queues = this.#queues;
    const at = (url: string): string => {
      const reached = new URL(url);
      if (port !== undefined) reached.port = String(port);
      return reached.href;
    };
    if (this.#name === "postgres") {
      const connection = this.#own.use(new Connection({ databaseUrl: at(this.#servers.databaseUrl), name: "hints" }));
      return this.#own.use(
        new PostgresCarrier({
          connection,
          queues,
          member: () => member,
          hintIdsMax: () => hintIdsMax,
          ageMsOf: () => 0,
          onUnavailable: () => undefined,
          log,
        }),
      );
    }
    const { prefix, amqpUrl } = this.#servers;
    const broker = new Broker({ url: at(amqpUrl), name: "a test", prefix, outages: new Outages(log), log });
    await broker.connect();
    return this.#own.use(new RabbitmqCarrier({ broker, queues, hintIdsMax: () => hintIdsMax }));
  }
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in 15 s it did not come about that ${what}`);
    await sleep(5);
  }
}

function sameIds(found: readonly RequestId[], wanted: readonly RequestId[]): void {
  deepEqual(found.toSorted(), wanted.toSorted());
}

const hasAll = (found: readonly RequestId[], wanted: readonly RequestId[]): boolean => {
  const set = new Set(found);
  return wanted.every((id) => set.has(id));
};

for (const name of ["postgres", "rabbitmq"] as const)
  describe(`the carrier ${name}`, () => {
    test("brings what was told, of each kind, before and after a worker came", async () => {
      await using rig = await Rig.open(name);
      const [before, fresh, again, suspect] = [newIds(9), newIds(1), newIds(6), newIds(2)];
      await rig.tell(before);
      const worker = await rig.worker();
      await rig.tell(fresh);
      await rig.tell(again, "again");
      await rig.tell(suspect, "suspect");
      const all = [...before, ...fresh, ...again, ...suspect];
      await until("all are here", () => hasAll(worker.ids, all));
      sameIds(worker.ids, all);
      const kinds = new Map(worker.messages.flatMap(({ kind, ids }) => ids.map((id) => [id, kind] as const)));
      deepEqual(
        [...fresh, again[0], suspect[1]].map((id) => kinds.get(id as RequestId)),
        ["fresh", "again", "suspect"],
      );
      const ofSuspects = worker.messages.filter(({ kind }) => kind === "suspect");
      deepEqual(
        ofSuspects.map(({ ids }) => ids.length),
        [1, 1],
        "a suspect runs alone",
      );
    });

    test("brings again what a worker held that crashed, and not what was done", async () => {
      await using rig = await Rig.open(name);
      const worker = await rig.worker();
      const done = newIds(20);
      await rig.tell(done);
      await until("they are here", () => hasAll(worker.ids, done));
      worker.done();
      await until("they are gone", async () => (await rig.outboxRows()) === 0);
      const held = newIds(20);
      await rig.tell(held);
      await until("the next are here", () => hasAll(worker.ids, held));
      await worker.crash();
      const next = await rig.worker();
      await until("another has them", () => hasAll(next.ids, held));
      sameIds(
        [...new Set(next.ids)].filter((id) => done.includes(id)),
        [],
      );
    });

    test("has what a worker that stops held for the next one at once", async () => {
      await using rig = await Rig.open(name);
      const [first, next] = [await rig.worker(), newIds(50)];
      await rig.tell(next);
      await until("they are here", () => hasAll(first.ids, next));
      await first.stop();
      const second = await rig.worker();
      const from = performance.now();
      await until("another has them", () => hasAll(second.ids, next));
      ok(performance.now() - from < 3_000);
    });

    test("brings what was told in another order than it was committed in", async () => {
      await using rig = await Rig.open(name);
      const worker = await rig.worker();
      const rows = [await rig.commit(newIds(3)), await rig.commit(newIds(3)), await rig.commit(newIds(3))];
      for (const row of rows.toReversed()) await rig.told(row);
      await until("all are here", () =>
        hasAll(
          worker.ids,
          rows.flatMap(({ ids }) => ids),
        ),
      );
    });

    test("gives nobody more of a flood than it may hold, and all of it to those who go on", async () => {
      await using rig = await Rig.open(name);
      const prefetch = 8;
      const workers = [await rig.worker(prefetch), await rig.worker(prefetch)];
      const flood = newIds(3_000);
      await rig.tell(flood);
      for (let n = 0; n < 50; n += 1) await rig.tell(newIds(1));
      const seen = new Set<RequestId>();
      let most = 0;
      const shares = workers.map(() => 0);
      await until("all were handed out", () => {
        workers.forEach((worker, at) => {
          const { ids } = worker;
          most = Math.max(most, ids.length);
          shares[at] = (shares[at] ?? 0) + ids.length;
          for (const id of ids) seen.add(id);
          worker.done();
        });
        return flood.every((id) => seen.has(id));
      });
      ok(most <= prefetch * hintIdsMax, `${most} at once`);
      ok(
        shares.every((share) => share > 300),
        `shared ${shares.join(" and ")}`,
      );
    });
  });

test("a take whose answer was lost is free again, and so is a row that was committed late", async () => {
  await using rig = await Rig.open("postgres");
  const worker = await rig.worker();
  const [lost, late] = [newIds(5), newIds(5)];
  const { no } = await rig.commit(late);
  await rig.db.query("UPDATE sluice.outbox SET taken_by = 1 WHERE no = $1", [no]); // by this member, which does not know
  await rig.tell(lost);
  await until("all are here", () => hasAll(worker.ids, [...lost, ...late]));
});
