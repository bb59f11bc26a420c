// A gateway with a spool, on a real PostgreSQL that is taken away from it.
import { after, before, describe, it } from "node:test";
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres, startProxy, temporaryFolder, type Postgres, type Proxy } from "@sluice/testing";
import { Client } from "pg";
import { pino } from "pino";
import { SluiceError } from "../core/errors.ts";
import type { Content, NewRequest, Receipt } from "../core/request.ts";
import { orders, queue, request } from "../engine/contract/rig.ts";
import type { Engine } from "../engine/engine.ts";
import { migrateCluster } from "../engines/cluster/ledger/schema/migrate.ts";
import { dropExpired } from "../engines/cluster/leader/retention.ts";
import { Connection } from "../engines/cluster/ledger/connection/database.ts";
import { SpoolIn } from "../engines/cluster/move/spool-in.ts";
import { openCluster } from "../engines/cluster/open.ts";
import { openSpoolStore } from "../engines/embedded/spool-store.ts";
import { Meter } from "../telemetry/meter.ts";
import { openSpooled } from "./spooled-engine.ts";

const log = pino({ level: process.env["SLUICE_TEST_LOG"] ?? "silent" });
const untilMsMax = 20_000;
const resources = new AsyncDisposableStack();
let postgres: Postgres;
let ready: string;

before(async () => {
  postgres = resources.use(await startPostgres({ settings: { fsync: "on" } }));
  ready = await postgres.createDatabase("ready");
  const servers = { databaseUrl: ready, prefix: "test" };
  await migrateCluster({ servers, queues: [orders], log });
});
after(() => resources.disposeAsync());

let databases = 0;
async function newDatabase(): Promise<string> {
  databases += 1;
  return postgres.createDatabase(`spool_${databases}`, "ready");
}

interface Gateway extends AsyncDisposable {
  readonly engine: Engine;
  readonly meter: Meter;
  readonly folder: string;
  readonly toPostgres: Proxy;
}

interface GatewayOptions {
  readonly databaseUrl: string;
  readonly folder?: string;
  readonly bytesMax?: number;
  readonly isOut?: boolean;
  /** How long its disk takes for a commit. */
  readonly commitMs?: number;
  readonly queues?: readonly string[];
  /** A page with more does not reach PostgreSQL in the time that it has. */
  readonly rowsMax?: number;
  /** So often PostgreSQL stores a page, and its answer is lost. */
  readonly lostTimes?: number;
  /** Whether its disk does not remove the files of the first store. */
  readonly isStuck?: boolean;
  /** So often its disk has no room to open. */
  readonly fullTimes?: number;
}

async function openGateway({
  bytesMax = 2 ** 30,
  isOut = false,
  commitMs = 0,
  queues: names = [orders],
  rowsMax = Infinity,
  lostTimes = 0,
  isStuck = false,
  fullTimes = 0,
  ...options
}: GatewayOptions): Promise<Gateway> {
  await using opened = new AsyncDisposableStack();
  const folder = options.folder ?? opened.use(await temporaryFolder()).path;
  const toPostgres = opened.use(await startProxy({ port: postgres.port }));
  if (isOut) toPostgres.cut();
  const url = new URL(options.databaseUrl);
  url.port = String(toPostgres.port);
  const databaseUrl = url.href;
  const queues = names.map((name) => queue(name));
  const meter = new Meter();
  let opens = 0;
  const engine = await openSpooled({
    openStore: async () => {
      opens += 1;
      if (opens <= fullTimes) throw new SluiceError("disk-full", "database or disk is full");
      const store = await openSpoolStore({ folder, owner: "the test", queues, diskFreeMin: 0 });
      if (isStuck && opens === 1)
        store.empty = async () => {
          await store[Symbol.asyncDispose]();
          throw new Error("EROFS: read-only file system");
        };
      if (commitMs > 0) slowDown(store.engine, commitMs);
      return store;
    },
    sink: spoiled(new SpoolIn({ databaseUrl, name: "test", needsStandby: false, tell: async () => {} }), {
      rowsMax,
      lostTimes,
    }),
    openLedger: () => openCluster({ servers: { databaseUrl, prefix: "test" }, queues, name: "test", beatMs: 50, log }),
    carriers: { hints: "postgres", notices: "postgres" },
    bytesMax,
    log,
    meter,
  });
  opened.use(engine);
  const owned = opened.move();
  return { engine, meter, folder, toPostgres, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function slowDown(engine: Engine, ms: number): void {
  const accept = engine.accept.bind(engine);
  engine.accept = async (requests) => {
    await delay(ms);
    return accept(requests);
  };
}

function spoiled(sink: SpoolIn, { rowsMax, lostTimes }: { rowsMax: number; lostTimes: number }): SpoolIn {
  const store = sink.store.bind(sink);
  let stores = 0;
  sink.store = async (id, page, after) => {
    if (page.requests.length > rowsMax) throw new SluiceError("store-unavailable", "no answer for 15000 ms");
    await store(id, page, after);
    stores += 1;
    if (stores <= lostTimes) throw new SluiceError("store-unavailable", "its answer was lost");
  };
  return sink;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + untilMsMax;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in ${untilMsMax} ms it did not come about that ${what}`);
    await delay(4);
  }
}

async function out({ engine, toPostgres }: Gateway): Promise<void> {
  toPostgres.cut();
  await until("PostgreSQL is missed", () =>
    engine.health().degradations.some(({ code }) => code === "store-unavailable"),
  );
}

async function drained({ engine, toPostgres }: Gateway): Promise<void> {
  toPostgres.restore();
  await until("the spool is drained", () => !engine.health().degradations.some(({ code }) => code === "spooling"));
}

async function accept({ engine }: Gateway, ...requests: readonly NewRequest[]): Promise<readonly Receipt[]> {
  const result = await engine.accept(requests);
  if (result.kind !== "accepted") throw new Error(result.kind);
  return result.receipts;
}

async function timesOf({ engine }: Gateway, id: Receipt["id"]): Promise<unknown> {
  const { notBefore, expiresAt } = (await engine.read(id))?.head?.placement ?? {};
  return { notBefore, expiresAt };
}

async function acceptOne(gateway: Gateway, fields: Parameters<typeof request>[0] = {}): Promise<Receipt> {
  const [receipt] = await accept(gateway, request(fields));
  return receipt as Receipt;
}

async function rowsOf<Row extends object>(databaseUrl: string, text: string): Promise<readonly Row[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

async function storedIds(databaseUrl: string): Promise<readonly string[]> {
  return (await rowsOf<{ id: string }>(databaseUrl, "SELECT id FROM sluice.requests ORDER BY id")).map(({ id }) => id);
}

/** As the carriers get them. */
async function hintedIds(databaseUrl: string): Promise<readonly string[]> {
  const rows = await rowsOf<{ ids: string[]; kind: string }>(
    databaseUrl,
    "SELECT ids::text[], kind FROM sluice.outbox ORDER BY no",
  );
  ok(rows.every(({ kind }) => kind === "fresh"));
  return rows.flatMap(({ ids }) => ids);
}

async function metric({ meter }: Gateway, name: string): Promise<number | undefined> {
  const families = await meter.collect((error) => {
    throw error;
  });
  const family = families.find((one) => one.name === name);
  return family?.kind === "counts" ? family.points[0]?.value : undefined;
}

describe("while the ledger is out", () => {
  it("keeps requests, and forwards them in order and once when it is back", async () => {
    const databaseUrl = await newDatabase();
    await using gateway = await openGateway({ databaseUrl });
    const first = await acceptOne(gateway);
    equal(first.durability, "postgres");
    // As the auditor does: nobody looks for fresh requests that are older.
    await rowsOf(databaseUrl, `UPDATE sluice.queues SET fresh_from = '${first.id.replace(/^./, "f")}'`);
    await out(gateway);
    const spooled = await accept(gateway, ...Array.from({ length: 2_500 }, (_, no) => request({ body: String(no) })));
    deepEqual(new Set(spooled.map(({ durability }) => durability)), new Set(["spool"]));
    equal(gateway.engine.health().problems.length, 0, "a degradation, so that admission goes on");
    equal(await metric(gateway, "sluice.spool.requests"), 2_500);
    const status = await gateway.engine.read((spooled[7] as Receipt).id);
    deepEqual([status?.state, status?.id], ["waiting", spooled[7]?.id]);
    equal(textOf(await gateway.engine.readBody((spooled[7] as Receipt).id)), "7");

    const senders = Array.from({ length: 20 }, () => acceptWhile(gateway));
    await drained(gateway);
    const later = (await Promise.all(senders)).flat();
    const last = await acceptOne(gateway);
    equal(last.durability, "postgres");
    ok(countSpooled(later) > 0, "some came while it was forwarded");
    const all = [first, ...spooled, ...later, last].map(({ id }) => id);
    deepEqual(await storedIds(databaseUrl), all.toSorted(), "none is lost, none doubled");
    deepEqual(await hintedIds(databaseUrl), all.toSorted(), "none overtakes another");
    const waiting = await gateway.engine.list({ queue: orders, state: "waiting", limit: 10_000 });
    equal(waiting.length, all.length - 1, "but for the one before the mark");
    equal(await metric(gateway, "sluice.spool.requests"), 0);
    equal(await metric(gateway, "sluice.spool.forwarded"), spooled.length + countSpooled(later));
    equal((await gateway.engine.read((spooled[7] as Receipt).id))?.state, "waiting");
    const audit = await gateway.engine.audit();
    ok(audit.holds, JSON.stringify(audit.findings));
    equal(audit.queues[0]?.accepted, all.length);
    await until("its files are gone", async () => (await metric(gateway, "sluice.spool.size")) === 0);
    await until("the ledger has forgotten it", async () => {
      return (await rowsOf(databaseUrl, "SELECT FROM sluice.moves WHERE up_to >= 0")).length === 0;
    });
  });

  it("keeps the times that a sender asked for, on its disk and in the ledger", async () => {
    const databaseUrl = await newDatabase();
    await using gateway = await openGateway({ databaseUrl });
    await out(gateway);
    const placement = { notBefore: Date.now() + 3_600_000, expiresAt: Date.now() + 7_200_000 };
    const { id, durability } = await acceptOne(gateway, { placement });
    equal(durability, "spool");
    deepEqual(await timesOf(gateway, id), placement);
    await drained(gateway);
    deepEqual(await storedIds(databaseUrl), [id]);
    deepEqual(await timesOf(gateway, id), placement);
  });

  it("brings requests with order keys and groups into their lines, in their order", async () => {
    const databaseUrl = await newDatabase();
    await using gateway = await openGateway({ databaseUrl });
    await out(gateway);
    const placements = [{ order: "a" }, { order: "a", urgency: 0 }, { order: "b", group: "g" }, {}];
    const ids: string[] = [];
    for (const placement of placements) ids.push((await acceptOne(gateway, { placement })).id);
    const before = gateway.engine.clock.now();
    await drained(gateway);
    const turns = `SELECT id, replayed_at, turn_at >= ${Math.floor(before)} AS is_now FROM sluice.turns ORDER BY id`;
    deepEqual(
      await rowsOf(databaseUrl, turns),
      ids.slice(0, 3).map((id) => ({ id, replayed_at: null, is_now: true })),
      "the audit knows that these took their turns later than others that were accepted meanwhile",
    );
    const rows = await rowsOf(databaseUrl, "SELECT id, order_key, grp, urgency FROM sluice.lined ORDER BY no");
    deepEqual(rows, [
      { id: ids[0], order_key: "a", grp: "", urgency: 3 },
      { id: ids[1], order_key: "a", grp: "", urgency: 0 },
      { id: ids[2], order_key: "b", grp: "g", urgency: 3 },
      { id: ids[3], order_key: null, grp: "", urgency: 3 },
    ]);
  });

  it("is not emptied while a request is on its way to its disk", async () => {
    const databaseUrl = await newDatabase();
    await using gateway = await openGateway({ databaseUrl, commitMs: 1_500 });
    await out(gateway);
    const slow = acceptOne(gateway);
    await drained(gateway);
    equal((await slow).durability, "spool");
    deepEqual(await storedIds(databaseUrl), [(await slow).id]);
  });

  it("takes one that the ledger may have only by its key", async () => {
    const databaseUrl = await newDatabase();
    await using gateway = await openGateway({ databaseUrl });
    const first = await acceptOne(gateway);
    const blocker = new Client({ connectionString: databaseUrl });
    await blocker.connect();
    await blocker.query("BEGIN; LOCK TABLE sluice.keys IN SHARE ROW EXCLUSIVE MODE");
    const keyed = acceptOne(gateway, { key: "k" });
    const keyless = acceptOne(gateway).catch((error: unknown) => (error as SluiceError).code);
    await until("the statement waits", async () => {
      return (await rowsOf(databaseUrl, "SELECT FROM pg_locks WHERE NOT granted")).length > 0;
    });
    await out(gateway);
    await blocker.query("ROLLBACK"); // the server goes on with a statement whose client has gone
    await blocker.end();
    equal((await keyed).durability, "spool");
    equal(await keyless, "commit-unknown");
    await drained(gateway);
    const stored = await storedIds(databaseUrl);
    deepEqual([stored.length, stored[0]], [3, first.id], "both were stored, and the one with the key once");
    const { id } = await keyed;
    equal(stored.includes(id), false);
    ok(stored.includes((await gateway.engine.read(id))?.sameAs ?? ""));
  });

  it("counts what the ledger does not have yet", async () => {
    const databaseUrl = await newDatabase();
    await using other = await openGateway({ databaseUrl });
    await using gateway = await openGateway({ databaseUrl });
    await acceptOne(gateway);
    await out(gateway);
    await acceptOne(gateway);
    await rejects(gateway.engine.backlog(orders), { code: "store-unavailable" });
    await rejects(gateway.engine.cancel((await acceptOne(gateway)).id), { code: "store-unavailable" });
    equal((await other.engine.backlog(orders))[0]?.accepted, 1);
    await using held = new Connection({ databaseUrl, name: "test" });
    await held.query("BEGIN");
    await held.query("LOCK TABLE sluice.moves");
    const draining = drained(gateway);
    const audited = async (): Promise<readonly (number | undefined)[]> => {
      const { holds, queues } = await gateway.engine.audit();
      ok(holds);
      return [queues[0]?.accepted, queues[0]?.spooled, queues[0]?.waiting];
    };
    await until("the ledger is back", () => gateway.engine.audit().then(Boolean, () => false));
    deepEqual(await audited(), [3, 2, 1]);
    await held.query("COMMIT");
    await draining;
    deepEqual(await audited(), [3, 0, 3]);
    const [status] = await gateway.engine.backlog(orders);
    deepEqual([status?.accepted, status?.spooled, status?.counts.waiting], [3, 0, 3]);
  });

  it("is taken for full at its bound, and has room again when it is forwarded", async () => {
    const databaseUrl = await newDatabase();
    await using gateway = await openGateway({ databaseUrl, bytesMax: 20_000 });
    await out(gateway);
    const taken: Receipt[] = [];
    const full = (error: SluiceError): boolean => error.code === "disk-full" && error.retryAfterSeconds !== undefined;
    await rejects(async () => {
      for (;;) taken.push(await acceptOne(gateway, { body: "x".repeat(1_000) }));
    }, full);
    equal(taken.length, 15, "16 of them with their rows are more");
    await rejects(accept(gateway, request(), request({ body: "x".repeat(2_000) })), full);
    while (gateway.engine.health().problems.length === 0) taken.push(await acceptOne(gateway, { body: "" }));
    deepEqual(gateway.engine.health().problems[0]?.code, "disk-full");
    await drained(gateway);
    deepEqual(await storedIds(databaseUrl), taken.map(({ id }) => id).toSorted());
    await until("it is emptied", async () => (await metric(gateway, "sluice.spool.size")) === 0);
    await out(gateway);
    equal((await acceptOne(gateway, { body: "x".repeat(1_000) })).durability, "spool");
  });

  it("starts, and goes on with what an earlier life has left", async () => {
    const databaseUrl = await newDatabase();
    await using folder = await temporaryFolder();
    const at = { databaseUrl, folder: folder.path };
    const receipts: Receipt[] = [];
    for (let life = 0; life < 2; life += 1) {
      await using gateway = await openGateway({ ...at, isOut: true });
      receipts.push(await acceptOne(gateway));
      equal(gateway.engine.health().problems.length, 0);
    }
    await using gateway = await openGateway(at);
    await drained(gateway);
    deepEqual(await storedIds(databaseUrl), receipts.map(({ id }) => id).toSorted());
    await until("its files are gone", async () => (await metric(gateway, "sluice.spool.size")) === 0);
    await rejects(openGateway(at), { code: "folder-owned" });
  });

  it("stores nothing when a copy of a forwarded folder is put back, though all have keys", async () => {
    const databaseUrl = await newDatabase();
    await using folder = await temporaryFolder();
    await using gateway = await openGateway({ databaseUrl, folder: folder.path, isOut: true });
    const receipts = await accept(gateway, request({ key: "a" }), request({ key: "b" }));
    await gateway.engine.close();
    await using sink = new SpoolIn({ databaseUrl, name: "test", needsStandby: false, tell: async () => {} });
    await using store = await openSpoolStore({ folder: folder.path, owner: "test", queues: [queue(orders)] });
    const page = store.page(-1, 1);
    ok(page !== undefined);
    for (let copy = 0; copy < 2; copy += 1) {
      equal(await sink.begin(store.identity), -1);
      await sink.store(store.identity, page, -1);
      await sink.forget(store.identity);
    }
    deepEqual(await storedIds(databaseUrl), receipts.map(({ id }) => id).toSorted());
    deepEqual(await rowsOf(databaseUrl, "SELECT * FROM sluice.aliases"), []);
  });

  it("sends smaller pages while PostgreSQL is too slow for large ones, and says why it waits", async () => {
    const databaseUrl = await newDatabase();
    await using gateway = await openGateway({ databaseUrl, isOut: true, rowsMax: 5 });
    const receipts = await accept(gateway, ...Array.from({ length: 300 }, () => request()));
    gateway.toPostgres.restore();
    await until("a page was too large", () =>
      gateway.engine.health().degradations.some(({ message }) => message.endsWith("no answer for 15000 ms")),
    );
    await drained(gateway);
    deepEqual(await storedIds(databaseUrl), receipts.map(({ id }) => id).toSorted());
  });

  it("knows how much is left when the answer to a stored page was lost", async () => {
    const databaseUrl = await newDatabase();
    await using gateway = await openGateway({ databaseUrl, isOut: true, lostTimes: 1 });
    const receipts = await accept(gateway, ...Array.from({ length: 1_500 }, () => request()));
    await drained(gateway);
    deepEqual(await storedIds(databaseUrl), receipts.map(({ id }) => id).toSorted());
    equal(await metric(gateway, "sluice.spool.requests"), 0);
  });

  it("is not forwarded again while its files cannot be removed", async () => {
    const databaseUrl = await newDatabase();
    await using gateway = await openGateway({ databaseUrl, isStuck: true });
    await out(gateway);
    await accept(gateway, request(), request(), request());
    await drained(gateway);
    await until("its files are gone", async () => (await metric(gateway, "sluice.spool.size")) === 0);
    equal(await metric(gateway, "sluice.spool.forwarded"), 3);
    await until("the ledger has forgotten it", async () => {
      return (await rowsOf(databaseUrl, "SELECT * FROM sluice.moves")).length === 0;
    });
  });

  it("starts on a full disk, and goes on with what it holds when there is room", async () => {
    const databaseUrl = await newDatabase();
    await using folder = await temporaryFolder();
    const at = { databaseUrl, folder: folder.path };
    {
      await using earlier = await openGateway({ ...at, isOut: true });
      await accept(earlier, request(), request());
    }
    await using gateway = await openGateway({ ...at, fullTimes: 2 });
    const [problem] = gateway.engine.health().degradations;
    deepEqual([problem?.code, gateway.engine.health().problems], ["store-unavailable", []]);
    equal((await acceptOne(gateway)).durability, "postgres");
    await until("all are forwarded", async () => (await metric(gateway, "sluice.spool.forwarded")) === 2);
    await drained(gateway);
    equal((await storedIds(databaseUrl)).length, 3);
    deepEqual(gateway.engine.health(), { problems: [], degradations: [] });
  });

  it("takes nothing while both PostgreSQL and its disk are out, and all again when PostgreSQL is back", async () => {
    const databaseUrl = await newDatabase();
    await using gateway = await openGateway({ databaseUrl, fullTimes: Infinity });
    await out(gateway);
    await rejects(accept(gateway, request()), { code: "store-unavailable" });
    await drained(gateway);
    equal((await acceptOne(gateway)).durability, "postgres");
  });

  it("adds a queue that the ledger does not have: its requests have their receipts", async () => {
    const databaseUrl = await newDatabase();
    await using folder = await temporaryFolder();
    const at = { databaseUrl, folder: folder.path, isOut: true };
    {
      await using withNew = await openGateway({ ...at, queues: [orders, "new"] });
      await accept(withNew, request(), request({ queue: "new" }), request());
    }
    await using gateway = await openGateway(at);
    await drained(gateway);
    equal((await storedIds(databaseUrl)).length, 3);
    const statuses = await gateway.engine.backlog();
    deepEqual(
      new Set(statuses.map(({ queue: name, accepted }) => `${name} ${accepted}`)),
      new Set(["new 1", `${orders} 2`]),
    );
  });

  it("starts with none of it stored twice when it died between the ledger's commit and its own note", async () => {
    const databaseUrl = await newDatabase();
    await using folder = await temporaryFolder();
    const at = { databaseUrl, folder: folder.path };
    await using first = await openGateway({ ...at, isOut: true });
    const receipts = await accept(first, ...Array.from({ length: 1_500 }, () => request()));
    await first.engine.close();
    {
      await using sink = new SpoolIn({ databaseUrl, name: "test", needsStandby: false, tell: async () => {} });
      await using store = await openSpoolStore({ folder: folder.path, owner: "test", queues: [queue(orders)] });
      equal(await sink.begin(store.identity), -1);
      const page = store.page(-1, 1);
      ok(page !== undefined && page.requests.length === 1_000);
      await sink.store(store.identity, page, -1);
      await sink.store(store.identity, page, -1);
      equal((await storedIds(databaseUrl)).length, 1_000);
      await sink.forget(store.identity); // as a ledger does that is restored
      equal(await sink.begin(store.identity), -1);
      await sink.store(store.identity, page, -1);
      equal((await storedIds(databaseUrl)).length, 1_000);
      const next = store.page(page.upTo, 1);
      ok(next !== undefined);
      await rejects(sink.store(store.identity, next, page.upTo + 1), { code: "store-unavailable" });
      await rejects(sink.confirm(store.identity, page.upTo + 1), { code: "store-unavailable" });
    }
    await using gateway = await openGateway(at);
    await drained(gateway);
    deepEqual(await storedIds(databaseUrl), receipts.map(({ id }) => id).toSorted());
    equal(await metric(gateway, "sluice.spool.forwarded"), 500);
    ok((await gateway.engine.audit()).holds);
  });
});

describe("the same key at two gateways while the ledger is out", () => {
  it("is one request with two ids, and a dead one when the body is another", async () => {
    const databaseUrl = await newDatabase();
    await using folder = await temporaryFolder();
    await using one = await openGateway({ databaseUrl });
    await using two = await openGateway({ databaseUrl, folder: join(folder.path, "two") });
    const known = await acceptOne(one, { key: "known" });
    for (const gateway of [one, two]) await out(gateway);
    const same = { key: "same", body: "same" };
    const [a, b] = [await acceptOne(one, same), await acceptOne(two, same)];
    const [c, d] = [
      await acceptOne(one, { key: "other", body: "1" }),
      await acceptOne(two, { key: "other", body: "2" }),
    ];
    const again = await acceptOne(two, { key: "known" });
    const repeated = await acceptOne(two, same);
    deepEqual([repeated.id, repeated.isReplayed], [b.id, true]);
    await drained(one);
    await drained(two);

    deepEqual(await storedIds(databaseUrl), [known, a, c, d].map(({ id }) => id).toSorted());
    for (const { engine } of [one, two]) {
      const status = await engine.read(b.id);
      deepEqual([status?.id, status?.sameAs, status?.state], [b.id, a.id, "waiting"]);
      equal((await engine.read(a.id))?.sameAs, undefined);
      equal((await engine.read(again.id))?.sameAs, known.id);
      equal(textOf(await engine.readBody(b.id)), "same");
      const dead = await engine.read(d.id);
      deepEqual([dead?.state, dead?.lastError?.code], ["dead", "key-reused"]);
      equal((await engine.read(c.id))?.state, "waiting");
      equal((await engine.prove(b.id)).verdict, "stored");
    }
    const audit = await one.engine.audit();
    ok(audit.holds, JSON.stringify(audit.findings));
    deepEqual([audit.queues[0]?.accepted, audit.queues[0]?.dead, audit.queues[0]?.missing], [4, 1, 0]);
    deepEqual(await acceptOne(one, same).then(({ id, isReplayed }) => [id, isReplayed]), [a.id, true]);

    deepEqual(await two.engine.cancel(b.id), { kind: "moved" });
    deepEqual([(await one.engine.read(a.id))?.state, (await one.engine.read(b.id))?.state], ["cancelled", "cancelled"]);
    deepEqual(await two.engine.cancel(b.id), { kind: "refused", state: "cancelled" });
    for (const { id } of [known, c]) deepEqual(await one.engine.cancel(id), { kind: "moved" });
    await using connection = new Connection({ databaseUrl, name: "test" });
    const dayLater = Date.now() + 2 * 86_400_000;
    equal(await dropExpired(connection, { now: dayLater, retentionMs: 1_000 }), 4);
    deepEqual(await rowsOf(databaseUrl, "SELECT FROM sluice.aliases"), [], "an alias goes with its request");
    equal(await one.engine.read(b.id), undefined);
  });

  it("is one request when only a look tells that both have it at once", async () => {
    const databaseUrl = await newDatabase();
    await using one = await openGateway({ databaseUrl });
    await using two = await openGateway({ databaseUrl });
    for (const gateway of [one, two]) await out(gateway);
    const requests = Array.from({ length: 300 }, (_, no) => request({ key: `k${no}`, body: String(no) }));
    const [own, others] = [await accept(one, ...requests), await accept(two, ...requests.toReversed())];
    await Promise.all([drained(one), drained(two)]);
    equal((await storedIds(databaseUrl)).length, requests.length);
    for (const receipts of [own, others])
      for (const { id } of receipts.slice(0, 20)) equal((await one.engine.read(id))?.state, "waiting");
    ok((await one.engine.audit()).holds);
  });
});

function textOf(content: Content | undefined): string {
  return Buffer.from(content?.bytes ?? []).toString();
}

/** Requests that come while the spool is forwarded, until it is. */
async function acceptWhile(gateway: Gateway): Promise<readonly Receipt[]> {
  const receipts: Receipt[] = [];
  while (receipts.at(-1)?.durability !== "postgres") receipts.push(await acceptOne(gateway));
  return receipts;
}

function countSpooled(receipts: readonly Receipt[]): number {
  return receipts.filter(({ durability }) => durability === "spool").length;
}

it("leaves no file of requests behind", async () => {
  const databaseUrl = await newDatabase();
  await using folder = await temporaryFolder();
  await using gateway = await openGateway({ databaseUrl, folder: folder.path });
  await out(gateway);
  await acceptOne(gateway);
  await drained(gateway);
  await until("it is emptied", async () => (await metric(gateway, "sluice.spool.size")) === 0);
  await gateway.engine.close();
  const files = await readdir(folder.path);
  deepEqual(
    files.filter((name) => name.startsWith("damaged")),
    [],
  );
  await using store = await openSpoolStore({ folder: folder.path, owner: "test", queues: [queue(orders)] });
  equal(store.held().queues.size, 0);
});
