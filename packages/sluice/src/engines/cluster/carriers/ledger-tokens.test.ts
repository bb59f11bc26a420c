// The tokens of a rate in the ledger, against a real server: what all who take get together.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres, type Postgres } from "@sluice/testing";
import fc from "fast-check";
import { pino } from "pino";
import { migrateLedger } from "../../../../test/cluster-session.ts";
import type { StartsAsk } from "../../../engine/engine.ts";
import { Connection } from "../ledger/connection/database.ts";
import { LedgerShare } from "./ledger-share.ts";
import { LedgerTokens } from "./ledger-tokens.ts";

const log = pino({ level: "silent" });
const ask: StartsAsk = { queue: "7", ratePerHour: 360_000, burst: undefined, wanted: 5 };
const takers = 4;

let postgres: Postgres;
let connections: readonly Connection[];
let tokens: readonly LedgerTokens[];
let first: LedgerTokens;
let db: Connection;

before(async () => {
  postgres = await startPostgres();
  await migrateLedger(postgres.url);
  db = new Connection({ databaseUrl: postgres.url, name: "test", settings: { synchronous_commit: "local" } });
  // Nobody is this standby: a commit that waited for one would not end.
  await db.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  await db.query("SELECT pg_reload_conf()");
  connections = Array.from({ length: takers }, () => new Connection({ databaseUrl: postgres.url, name: "test" }));
  tokens = connections.map((connection) => new LedgerTokens({ share: new LedgerShare({ connection, log }), noOf }));
  [first] = tokens as [LedgerTokens];
});
after(async () => {
  await Promise.all([...connections, db].map((connection) => connection[Symbol.asyncDispose]()));
  await postgres[Symbol.asyncDispose]();
});

/** Names are numbers here; of one that is none the ledger does not know. */
function noOf(queue: string): number | undefined {
  return Number.isNaN(Number(queue)) ? undefined : Number(queue);
}

async function forget(queue: string): Promise<void> {
  await db.query("DELETE FROM sluice.rates WHERE queue = $1", [queue]);
}

async function emptyBy(seconds: number, queue: string): Promise<void> {
  await db.query("UPDATE sluice.rates SET empty_at = empty_at + $1::float8 * 1000000 WHERE queue = $2", [
    seconds,
    queue,
  ]);
}

test("the first one gets one, a pause saves up a burst and no more, and the answer says when the next is there", async () => {
  assert.equal((await first.take({ ...ask, ratePerHour: 3_600 }))?.granted, 1);
  const none = await first.take({ ...ask, ratePerHour: 3_600 });
  assert.equal(none?.granted, 0);
  assert.ok(none.retryMs > 500 && none.retryMs <= 1_000, `${none.retryMs} ms`);
  await emptyBy(-100, ask.queue);
  const burst = await first.take({ ...ask, burst: 7, wanted: 100 });
  assert.equal(burst?.granted, 7);
  assert.ok(burst.retryMs > 0 && burst.retryMs <= 10, `${burst.retryMs} ms`);
  await emptyBy(-100, ask.queue);
  assert.deepEqual(await first.take({ ...ask, wanted: 2 }), { granted: 2, retryMs: 0 });
  await emptyBy(-100_000_000, ask.queue);
  assert.equal((await first.take({ ...ask, burst: 1e13, wanted: 9 }))?.granted, 9, "more than an integer holds");
  await emptyBy(-100, ask.queue);
  assert.equal((await first.take({ ...ask, wanted: 100 }))?.granted, 25, "a quarter of a second's worth unless set");
});

test("a clock that stepped back costs what was saved up, and nothing after it", async () => {
  await first.take(ask);
  await emptyBy(3_600, ask.queue); // as if the clock had stepped back by an hour
  const slow = { ...ask, ratePerHour: 36_000 };
  const grant = await first.take(slow);
  assert.equal(grant?.granted, 0);
  assert.ok(grant.retryMs <= 100, `${grant.retryMs} ms`);
  await delay(Math.ceil(grant.retryMs));
  assert.equal((await first.take(slow))?.granted, 1);
});

test("a row that went with a crash of the server is no reason for a burst", async () => {
  await first.take(ask);
  await emptyBy(-100, ask.queue);
  await forget(ask.queue);
  assert.equal((await first.take(ask))?.granted, 1);
});

test("of a queue that the ledger does not know, and of a server that refuses, there is no answer", async () => {
  assert.equal(await first.take({ ...ask, queue: "unheard-of" }), undefined);
  await db.query("ALTER TABLE sluice.rates RENAME TO away");
  assert.equal(await first.take(ask), undefined);
  await db.query("ALTER TABLE sluice.away RENAME TO rates");
  assert.ok(await first.take(ask));
});

test("a take whose row is locked for too long goes unanswered, and so do the others until it has ended", async () => {
  await first.take(ask);
  await using holder = new Connection({ databaseUrl: postgres.url, name: "test" });
  await holder.transaction(async (inside) => {
    await inside.query("SELECT FROM sluice.rates FOR UPDATE");
    const from = performance.now();
    assert.equal(await first.take(ask), undefined);
    const waitedMs = performance.now() - from;
    assert.ok(waitedMs > 990 && waitedMs < 5_000, `${waitedMs} ms`);
    assert.equal(await first.take(ask), undefined);
    assert.ok(performance.now() - from - waitedMs < 500, "the second one does not wait");
  });
  const giveUp = AbortSignal.timeout(5_000);
  while ((await first.take(ask)) === undefined) {
    giveUp.throwIfAborted();
    await delay(5);
  }
});

test("a take that waited for another one's grant does not grant that time again", async () => {
  await first.take(ask);
  await using holder = new Connection({ databaseUrl: postgres.url, name: "test" });
  const { taking, from } = await holder.transaction(async (inside) => {
    await inside.query("SELECT FROM sluice.rates FOR UPDATE");
    const waiting = first.take(ask);
    await delay(200);
    const emptied = performance.now();
    const now = "extract(epoch FROM clock_timestamp()) - extract(epoch FROM timestamptz '2026-01-01 00:00Z')";
    await inside.query(`UPDATE sluice.rates SET empty_at = (${now}) * 1000000`);
    return { taking: waiting, from: emptied };
  });
  const granted = ((await taking)?.granted ?? 0) + ((await first.take({ ...ask, wanted: 100 }))?.granted ?? 0);
  const most = 1e-3 + ((performance.now() - from) * ask.ratePerHour) / 3_600_000;
  assert.ok(granted <= most, `${granted} starts, at most ${most}`);
});

/** Rates from one a second to 5,000, and takers who ask for a few or many, at once or after a pause. */
const runs = fc.record({
  ratePerHour: fc.integer({ min: 3_600, max: 18_000_000 }),
  burst: fc.option(fc.double({ min: 0.5, max: 50, noNaN: true }), { nil: undefined }),
  asks: fc.array(
    fc.record({ taker: fc.nat(takers - 1), wanted: fc.integer({ min: 1, max: 300 }), afterMs: fc.nat(8) }),
    { minLength: 20, maxLength: 60 },
  ),
});

test("takers on several connections never get more than the rate and one burst", { timeout: 60_000 }, async () => {
  let no = 100;
  await fc.assert(
    fc.asyncProperty(runs, async ({ ratePerHour, burst, asks }) => {
      const queue = String((no += 1));
      const from = performance.now();
      let granted = 0;
      const own = Array.from({ length: takers }, (_, taker) => asks.filter((one) => one.taker === taker));
      await Promise.all(
        own.map(async (mine, taker) => {
          for (const { wanted, afterMs } of mine) {
            if (afterMs > 4) await delay(afterMs);
            const grant = await tokens[taker]?.take({ queue, ratePerHour, burst, wanted });
            assert.ok(grant !== undefined && grant.granted >= 0 && grant.granted <= wanted && grant.retryMs >= 0);
            granted += grant.granted;
          }
        }),
      );
      const seconds = (performance.now() - from) / 1_000;
      const most = 1 + (ratePerHour / 3_600) * seconds + 1e-3;
      assert.ok(granted <= most, `${granted} starts in ${seconds} s, at most ${most}`);
    }),
    { numRuns: 12 },
  );
});

test("busy takers get all of the rate", async () => {
  const steady = { ...ask, queue: "8", burst: 100 };
  const from = performance.now();
  let granted = 0;
  await Promise.all(
    tokens.map(async (one) => {
      while (performance.now() - from < 1_000) {
        const grant = await one.take(steady);
        granted += grant?.granted ?? 0;
        await delay(grant?.retryMs ?? 0);
      }
    }),
  );
  granted += (await first.take({ ...steady, wanted: 100 }))?.granted ?? 0; // what a busy machine kept them from
  const most = 1 + (ask.ratePerHour / 3_600) * ((performance.now() - from) / 1_000);
  assert.ok(granted <= most && granted >= most - 6, `${granted} starts, at most ${most}`);
});
