// A receipt rests on a commit that the standby has, where there is one: not on what can be seen of it (I1, I9).
import { after, before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgresPair, startRabbitmq, startRedis, type Postgres, type PostgresPair } from "@sluice/testing";
import { Client } from "pg";
import { openLog } from "../../telemetry/log.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { AcceptResult, Engine } from "../../engine/engine.ts";
import { orders, queue, request } from "../../engine/contract/rig.ts";
import { migrateCluster } from "./ledger/schema/migrate.ts";
import { openCluster } from "./open.ts";
import type { ClusterOptions, ClusterServers } from "./options.ts";

const log = openLog({ level: "silent", isPretty: false });
const resources = new AsyncDisposableStack();
let brokers: Pick<ClusterServers, "amqpUrl" | "redisUrl">;
let pair: PostgresPair;
let servers: ClusterServers;

before(async () => {
  const [rabbitmq, redis] = [resources.use(await startRabbitmq()), resources.use(await startRedis())];
  brokers = { amqpUrl: rabbitmq.url, redisUrl: redis.url };
});
after(() => resources.disposeAsync());

beforeEach(async (context) => {
  pair = await startPostgresPair({ isSynchronous: true });
  if ("after" in context) context.after(() => pair[Symbol.asyncDispose]());
  servers = { ...brokers, databaseUrl: pair.urlOf(), prefix: "sluice" };
  await migrateCluster({ servers, queues: [orders], log });
});

function open(name: string, more: Partial<ClusterOptions> = {}): Promise<Engine> {
  return openCluster({ servers, queues: [queue(orders)], name, log, ...more });
}

type Answer = AcceptResult | { readonly kind: "failed"; readonly code: unknown };

/** What a sender is told. */
async function send(engine: Engine, key: string): Promise<Answer> {
  try {
    return await engine.accept([request({ key })]);
  } catch (error) {
    return { kind: "failed", code: (error as { readonly code?: unknown }).code };
  }
}

function idIn(answer: Answer): string | undefined {
  return answer.kind === "accepted" ? answer.receipts[0]?.id : undefined;
}

async function ask(server: Postgres, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Does it to each backend that waits for the standby, until there has been one. */
async function toWaiting(what: "pg_cancel_backend" | "pg_terminate_backend"): Promise<void> {
  const text = `SELECT ${what}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE '% accept,%'`;
  while ((await ask(pair.primary, text)).length === 0) await delay(10);
}

async function untilWaiting(): Promise<void> {
  const text = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE '% accept,%'";
  while ((await ask(pair.primary, text)).length === 0) await delay(10);
}

/** The standby becomes the primary; the receipts that it cannot account for. */
async function lostAfterPromotion(answers: readonly Answer[]): Promise<readonly string[]> {
  await pair.kill(pair.primary);
  await pair.promote();
  const stored = new Set((await ask(pair.primary, "SELECT id FROM sluice.requests")).map(({ id }) => id));
  return answers.flatMap((answer) => idIn(answer) ?? []).filter((id) => !stored.has(id));
}

test("a receipt says that a standby has it, and only while there is one", async () => {
  await using engine = await open("one");
  const durability = async (key: string): Promise<string | undefined> => {
    const answer = await send(engine, key);
    return answer.kind === "accepted" ? answer.receipts[0]?.durability : undefined;
  };
  assert.equal(await durability("a"), "postgres+standby");
  assert.equal(await durability("a"), "postgres+standby", "a repeat as well");
  await pair.setSynchronous(false);
  assert.equal(await durability("b"), "postgres");
});

for (const what of ["pg_cancel_backend", "pg_terminate_backend"] as const)
  test(`a wait for the standby that ends by ${what} gives no receipt, nor does the same key again`, async () => {
    await using engine = await open("one");
    await using other = await open("two");
    await send(engine, "warm");
    await pair.kill(pair.other);
    const first = send(engine, "a");
    await toWaiting(what);
    await delay(200);
    const again = [send(engine, "a"), send(other, "a")];
    const answers = await Promise.all([first, ...again]);
    assert.deepEqual(answers.map(idIn), [undefined, undefined, undefined]);
    await pair.startStandby();
    assert.notEqual(idIn(await send(other, "a")), undefined, "the standby is back");
    assert.deepEqual(await lostAfterPromotion([...answers, await send(other, "a")]), []);
  });

test("a process that stops does not wait for a standby that is away, and hands back what it holds", async () => {
  const engine = await open("one");
  await send(engine, "a");
  const [delivery] = await engine.deliver({ queue: orders, max: 1, signal: AbortSignal.timeout(20_000) });
  assert.notEqual(delivery, undefined);
  await pair.kill(pair.other);
  const startedAt = performance.now();
  await engine.close();
  assert.ok(performance.now() - startedAt < 5_000, `${performance.now() - startedAt} ms`);
  const [row] = await ask(
    pair.primary,
    "SELECT (SELECT count(*) FROM sluice.running)::int AS running, is_hinted FROM sluice.schedule",
  );
  assert.deepEqual(row, { running: 0, is_hinted: true });
});

test("what waits for a standby longer than a statement may take is not told as accepted by whoever asks again", async () => {
  await using engine = await open("one");
  await using other = await open("two");
  await send(engine, "warm");
  await pair.kill(pair.other);
  const answers = [await send(engine, "a"), await send(engine, "a"), await send(other, "a")];
  assert.deepEqual(answers.map(idIn), [undefined, undefined, undefined]);
  await pair.startStandby();
  const back = await send(other, "a");
  assert.notEqual(idIn(back), undefined);
  assert.deepEqual(await lostAfterPromotion([back]), []);
});

/** The key again until there is a receipt for it. */
async function accepted(engine: Engine, key: string): Promise<string> {
  const giveUpAt = performance.now() + 30_000;
  for (;;) {
    const id = idIn(await send(engine, key));
    if (id !== undefined) return id;
    if (performance.now() > giveUpAt) throw new Error(`no receipt for ${key}`);
    await delay(100);
  }
}

/** While a process does not see that no standby is left it stores requests, and refuses them afterwards. */
const unaware = { durability: "standby", beatMs: 10_000 } as const;
const stored = async (): Promise<readonly unknown[]> =>
  (await ask(pair.primary, "SELECT key FROM sluice.requests ORDER BY id")).map(({ key }) => key);

/** Of each a request that is refused with 503 and stored by the primary alone. */
const refusedWays: Readonly<Record<string, (engine: Engine) => Promise<readonly Answer[]>>> = {
  async "stored while no standby is named"(engine) {
    await pair.alter(pair.primary, "synchronous_standby_names", undefined);
    await delay(300);
    return [await send(engine, "b"), await send(engine, "c")];
  },
  async "released from its wait as no standby is named any more"(engine) {
    const first = send(engine, "b");
    await untilWaiting();
    await pair.alter(pair.primary, "synchronous_standby_names", undefined);
    return [await first, await send(engine, "c")];
  },
  async "cancelled while it waits, and then none is named any more"(engine) {
    const first = send(engine, "b");
    await toWaiting("pg_cancel_backend");
    await delay(300); // it waits again, with a commit that is to confirm it
    await pair.alter(pair.primary, "synchronous_standby_names", undefined);
    return [await first, await send(engine, "c")];
  },
};

for (const [way, refuse] of Object.entries(refusedWays)) {
  test(`${way}: refused requests are no gap of the standby that takes over without them`, async () => {
    await using engine = await open("one", unaware);
    const first = await accepted(engine, "a");
    await pair.kill(pair.other);
    const refused = await refuse(engine);
    assert.deepEqual(
      refused.map((answer) => "code" in answer && answer.code),
      Array(2).fill("store-unavailable"),
    );
    assert.deepEqual((await stored()).slice(0, 2), ["a", "b"], "the primary has it");
    await pair.kill(pair.primary);
    await pair.startStandby();
    await pair.promote();
    await pair.rejoin();
    await pair.setSynchronous(true);
    const receipts = [first, await accepted(engine, "d"), await accepted(engine, "b")];
    const { holds, findings } = await engine.audit();
    assert.deepEqual({ holds, findings }, { holds: true, findings: [] });
    for (const id of receipts) assert.equal((await engine.prove(id as RequestId)).verdict, "stored");
    assert.deepEqual(await stored(), ["a", "d", "b"]);
  });

  test(`${way}: the chain goes on behind refused requests once a standby has them`, async () => {
    await using engine = await open("one", unaware);
    const first = await accepted(engine, "a");
    await pair.kill(pair.other);
    await refuse(engine);
    const id = (await ask(pair.primary, "SELECT id FROM sluice.requests WHERE key = 'b'"))[0]?.["id"];
    await pair.startStandby();
    await pair.setSynchronous(true);
    const receipts = [first, await accepted(engine, "d"), await accepted(engine, "b"), await accepted(engine, "c")];
    assert.equal(receipts[2], id, "the same request, once");
    const { holds, findings } = await engine.audit();
    assert.deepEqual({ holds, findings }, { holds: true, findings: [] });
    for (const one of receipts) assert.equal((await engine.prove(one as RequestId)).verdict, "stored");
    const chains = "SELECT count(DISTINCT chain)::int AS chains FROM sluice.links";
    assert.deepEqual(await ask(pair.primary, chains), [{ chains: 1 }]);
  });
}

test("a primary that became read-only is left for the one that was promoted, though no connection was closed", async () => {
  await using engine = await open("one");
  const before = idIn(await send(engine, "before"));
  await pair.alter(pair.primary, "default_transaction_read_only", "on");
  await pair.promote();
  const giveUpAt = performance.now() + 15_000;
  let moved: string | undefined;
  while (moved === undefined && performance.now() < giveUpAt) {
    moved = idIn(await send(engine, "after"));
    await delay(50);
  }
  const stored = (await ask(pair.primary, "SELECT id FROM sluice.requests ORDER BY id")).map(({ id }) => id);
  assert.deepEqual(stored, [before, moved]);
  assert.equal((await engine.read(moved as RequestId))?.id, moved, "who only reads has left as well");
});
