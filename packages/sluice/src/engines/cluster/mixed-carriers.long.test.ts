// A cluster of which some processes have Redis and some have not, as while it is added or removed: rate and watching.
import { deepEqual, ok } from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { freePort, startPostgres, startRedis, type Postgres, type Redis } from "@sluice/testing";
import type { NewRequest } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { StartsAsk } from "../../engine/engine.ts";
import { openLog } from "../../telemetry/log.ts";
import type { ClusterEngine } from "./engine.ts";
import { migrateCluster } from "./ledger/schema/migrate.ts";
import { openCluster } from "./open.ts";

const log = openLog({ level: "silent", isPretty: false });
const orders = { name: "orders", backlogMax: 1_000, backlogBytesMax: 1_000_000 };
const perSecond = 100;
const ask: StartsAsk = { queue: "orders", ratePerHour: perSecond * 3_600, burst: 50, wanted: 10 };
const beatMs = 100;

let postgres: Postgres;
let redis: Redis;
let rest: { readonly amqpUrl: string; readonly prefix: string };
before(async () => {
  [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  rest = { amqpUrl: `amqp://127.0.0.1:${await freePort()}`, prefix: "test" };
  const servers = { ...rest, databaseUrl: postgres.url };
  await migrateCluster({ servers, queues: ["orders"], log, declare: () => Promise.resolve("declared") });
});
after(() => Promise.all([postgres[Symbol.asyncDispose](), redis[Symbol.asyncDispose]()]));

function open(name: string, hasRedis: boolean): Promise<ClusterEngine> {
  const servers = { ...rest, databaseUrl: postgres.url, redisUrl: hasRedis ? redis.url : undefined };
  return openCluster({ servers, queues: [orders], name, beatMs, log });
}

async function started(engines: readonly ClusterEngine[], ms: number): Promise<{ counts: number[]; seconds: number }> {
  const from = performance.now();
  const counts = await Promise.all(
    engines.map(async (engine) => {
      let granted = 0;
      while (performance.now() - from < ms) {
        const grant = await engine.starts(ask);
        granted += grant.granted;
        await delay(Math.min(grant.retryMs, 50));
      }
      return granted;
    }),
  );
  return { counts, seconds: (performance.now() - from) / 1_000 };
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const giveUp = AbortSignal.timeout(ms);
  while (!(await isSo())) {
    if (giveUp.aborted) throw new Error(`waited ${ms} ms until ${what}`);
    await delay(10);
  }
}

const workersOf = async (engine: ClusterEngine): Promise<number> => (await engine.backlog())[0]?.workers ?? 0;

test("while some have Redis and some have not, all of them together keep to the rate", async () => {
  await using one = await open("one", true);
  await using two = await open("two", true);
  await using other = await open("other", false);
  const engines = [one, two, other];
  for (const engine of engines) engine.attend("orders");
  for (const engine of engines) await until("all see all", async () => (await workersOf(engine)) === 3);
  const { counts, seconds } = await started(engines, 2_000);
  const total = counts.reduce((sum, count) => sum + count, 0);
  // Of each the first one, and what it saved up before.
  const most = 3 + perSecond * seconds + 50;
  ok(total <= most && total >= perSecond * seconds * 0.8, `${counts.join(" + ")} in ${seconds} s, at most ${most}`);
  await Promise.all([one.close(), two.close()]);
  await until("it is alone", async () => (await workersOf(other)) === 1);
  const alone = await started([other], 1_000);
  const got = alone.counts[0] ?? 0;
  ok(got >= perSecond * alone.seconds * 0.8 && got <= perSecond * alone.seconds + 51, `${got} in ${alone.seconds} s`);
});

const request: NewRequest = {
  queue: "orders",
  key: undefined,
  sender: undefined,
  contentType: "text/plain",
  headers: undefined,
  body: Buffer.from("x"),
  callback: undefined,
};

async function acceptOne(engine: ClusterEngine): Promise<RequestId> {
  const result = await engine.accept([request]);
  if (result.kind !== "accepted" || result.receipts[0] === undefined) throw new Error(result.kind);
  return result.receipts[0].id;
}

/** How long after the end of a request its watcher in another process sees it. */
async function seenAfterMs(actor: ClusterEngine, watcher: ClusterEngine): Promise<number> {
  const id = await acceptOne(actor);
  const seen: string[] = [];
  using _watch = watcher.watch(id, (change) => seen.push(change.kind === "state" ? change.state : "progress"));
  await watcher.read(id);
  await actor.cancel(id);
  const from = performance.now();
  await until("it is seen", () => seen.length > 0);
  deepEqual(seen, ["cancelled"]);
  return performance.now() - from;
}

test("who watches sees the end, whether the other process has Redis or not", async (t) => {
  await using one = await open("one", true);
  await using other = await open("other", false);
  await using alike = await open("alike", false);
  t.diagnostic(`by notice: ${Math.round(await seenAfterMs(other, alike))} ms`);
  for (const [actor, watcher] of [
    [one, other],
    [other, one],
  ] as const)
    t.diagnostic(`by a look: ${Math.round(await seenAfterMs(actor, watcher))} ms`);
});
