// Lines on a real ledger, where the contract cannot reach: other processes, other clocks, the audit's look at what waits.
import { after, before, test } from "node:test";
import { deepEqual, equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres, type Postgres } from "@sluice/testing";
import { lineSettingsDefault, type LineSettings } from "../../../core/line-settings.ts";
import type { Placement } from "../../../core/placement.ts";
import type { Delivery } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import { openLog } from "../../../telemetry/log.ts";
import type { ClusterEngine } from "../engine.ts";
import { Connection } from "../ledger/connection/database.ts";
import { migrateCluster } from "../ledger/schema/migrate.ts";
import { openCluster } from "../open.ts";

const log = openLog({ level: "silent", isPretty: false });
const hourMs = 3_600_000;
const failure = { code: "boom", message: "boom" };
const done = { kind: "done", result: { contentType: "text/plain", bytes: Buffer.from("done") } } as const;

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres[Symbol.asyncDispose]());

test("a process that says nothing of lines changes nothing of what another one says", async () => {
  const databaseUrl = await newLedger("settings");
  await using engine = await open(databaseUrl, { ...lineSettingsDefault, afterDead: "hold" });
  await using _other = await open(databaseUrl, undefined);
  await accept(engine, { order: "a" });
  await accept(engine, { order: "a" });
  await engine.settle((await take(engine)).claim, { kind: "dead", failure });
  deepEqual(await takeNone(engine), []);
  equal((await engine.lines.heldOrders("orders", 10)).length, 1);
});

test("a retry of an order key waits no longer than asked for when the store's clock steps back", async () => {
  const databaseUrl = await newLedger("clock");
  await using engine = await open(databaseUrl, undefined);
  await using db = new Connection({ databaseUrl, name: "test" });
  const id = await accept(engine, { order: "a" });
  const now = engine.clock.now();
  await engine.retry((await take(engine)).claim, { dueAt: now + 1_000, failure, isCounted: true });
  await delay(500); // the feeder has it back in its line
  await db.script(`BEGIN;
    UPDATE sluice.schedule SET due_at = due_at + ${hourMs}, stored_at = stored_at + ${hourMs} WHERE in_line = 1;
    UPDATE sluice.lined SET due_at = due_at + ${hourMs} WHERE state = 'later'; COMMIT`);
  equal((await take(engine)).claim.id, id);
});

test("what stands in a line is not stuck, and healing leaves it there", async () => {
  const databaseUrl = await newLedger("stuck");
  await using engine = await open(databaseUrl, undefined);
  await using db = new Connection({ databaseUrl, name: "test" });
  await engine.lines.setGroup("orders", "paused", { isPaused: true });
  await accept(engine, { group: "paused" });
  await db.script(`UPDATE sluice.schedule SET due_at = due_at - ${2 * hourMs}`);
  await accept(engine, { group: "other" });
  await engine.settle((await take(engine)).claim, done);
  const { findings, holds } = await engine.audit();
  deepEqual([holds, findings], [true, []]);
  equal(await engine.heal(), 0);
  deepEqual(await takeNone(engine), []);
});

async function newLedger(name: string): Promise<string> {
  const databaseUrl = await postgres.createDatabase(name);
  await migrateCluster({ servers: { databaseUrl, prefix: "test" }, queues: ["orders"], log });
  return databaseUrl;
}

function open(databaseUrl: string, lines: LineSettings | undefined): Promise<ClusterEngine> {
  const queues = [{ name: "orders", backlogMax: 1_000, backlogBytesMax: 1_000_000, lines }];
  return openCluster({ servers: { databaseUrl, prefix: "test" }, queues, name: "test", log });
}

async function accept(engine: ClusterEngine, placement: Placement): Promise<RequestId> {
  const content = { contentType: "text/plain", headers: undefined, body: Buffer.from("in") };
  const common = { queue: "orders", key: undefined, sender: undefined, callback: undefined };
  const result = await engine.accept([{ ...common, ...content, placement }]);
  if (result.kind !== "accepted") throw new Error(result.kind);
  return (result.receipts[0] as { readonly id: RequestId }).id;
}

async function take(engine: ClusterEngine): Promise<Delivery> {
  const [delivery] = await engine.deliver({ queue: "orders", max: 1, signal: AbortSignal.timeout(10_000) });
  if (delivery === undefined) throw new Error("nothing was delivered");
  return delivery;
}

function takeNone(engine: ClusterEngine): Promise<readonly Delivery[]> {
  return engine.deliver({ queue: "orders", max: 1, signal: AbortSignal.timeout(1_500) });
}
