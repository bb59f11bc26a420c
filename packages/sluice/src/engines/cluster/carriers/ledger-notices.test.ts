// Notices through the ledger, against a real server: what who watches hears of the others.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres, type Postgres } from "@sluice/testing";
import { pino } from "pino";
import { migrateLedger } from "../../../../test/cluster-session.ts";
import { requestIdOf, type RequestId } from "../../../core/request-id.ts";
import { Connection } from "../ledger/connection/database.ts";
import { LedgerNotices } from "./ledger-notices.ts";
import { LedgerShare } from "./ledger-share.ts";
import type { Notice } from "./notices.ts";

const log = pino({ level: "silent" });
let postgres: Postgres;
let db: Connection;
before(async () => {
  postgres = await startPostgres();
  await migrateLedger(postgres.url);
  db = new Connection({ databaseUrl: postgres.url, name: "test" });
});
after(async () => {
  await db[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

class Member implements AsyncDisposable {
  readonly heard: Notice[] = [];
  readonly notices: LedgerNotices;
  readonly #connection: Connection;
  readonly #origin: string;
  isWatched = false;

  constructor(origin: string) {
    this.#origin = origin;
    this.#connection = new Connection({ databaseUrl: postgres.url, name: origin });
    this.notices = new LedgerNotices({
      origin,
      share: new LedgerShare({ connection: this.#connection, log }),
      onChange: (id, change) => this.heard.push({ id, change }),
      isWatched: () => this.isWatched,
    });
  }

  /** It hears what is told from now on. */
  async watch(): Promise<void> {
    this.isWatched = true;
    this.notices.listen();
    const polls = new Set<string>();
    await until("it has polled", async () => {
      const { rows } = await db.query(
        `SELECT query_start::text AS at FROM pg_stat_activity
          WHERE application_name = $1 AND query LIKE '%pg_current_snapshot%'`,
        [this.#origin],
      );
      for (const { at } of rows as { at: string }[]) polls.add(at);
      return polls.size >= 2;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.notices[Symbol.asyncDispose]();
    await this.#connection[Symbol.asyncDispose]();
  }
}

async function count(from: string): Promise<number> {
  const { rows } = await db.query(`SELECT count(*)::int AS count FROM sluice.${from}`);
  return (rows[0] as { count: number }).count;
}

async function forget(): Promise<void> {
  await db.query("DELETE FROM sluice.watched");
  await db.query("DELETE FROM sluice.notices");
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const giveUp = AbortSignal.timeout(ms);
  while (!(await isSo())) {
    if (giveUp.aborted) assert.fail(`waited ${ms} ms until ${what}`);
    await delay(5);
  }
}

const ids = Array.from({ length: 3_000 }, (_one, index) => requestIdOf(index, Buffer.alloc(8, index)));
const idAt = (at: number): RequestId => ids[at] as RequestId;
const doneAt = (at: number): Notice => ({ id: idAt(at), change: { kind: "state", state: "done", at } });

test("reach the others who watch, each once and in order, and not their own", async () => {
  await forget();
  await using teller = new Member("teller");
  await using watcher = new Member("watcher");
  await using idle = new Member("idle");
  await Promise.all([teller.watch(), watcher.watch()]);
  const progress: Notice = {
    id: idAt(0),
    change: { kind: "progress", progress: { text: "two\nlines \0 \ud800", percent: 10 } },
  };
  const odd: Notice = { id: idAt(1), change: { kind: "progress", progress: 1n } };
  const told = [...ids.keys()].slice(0, 400).map(doneAt);
  teller.notices.publish([progress, odd, ...told.slice(0, 10)]);
  for (let from = 10; from < told.length; from += 100) {
    teller.notices.publish(told.slice(from, from + 100));
    await delay(20);
  }
  await until("all are there", () => watcher.heard.length >= told.length + 2);
  await delay(80); // some polls: none of them brings it again
  assert.deepEqual(watcher.heard, [progress, { ...odd, change: { kind: "progress", progress: null } }, ...told]);
  assert.deepEqual(teller.heard, []);
  assert.deepEqual(idle.heard, []);
  const { rows } = await db.query("SELECT FROM pg_stat_activity WHERE application_name = 'idle'");
  assert.equal(rows.length, 0, "who neither tells nor watches does not even connect");
});

test("a row that is committed behind later ones is read, and once", async () => {
  await forget();
  await using teller = new Member("teller");
  await using watcher = new Member("watcher");
  await watcher.watch();
  await using slow = new Connection({ databaseUrl: postgres.url, name: "slow" });
  await slow.transaction(async (inside) => {
    await inside.query("INSERT INTO sluice.notices (origin, lines) VALUES ('slow', $1)", [`${ids[0]} done 0`]);
    teller.notices.publish([doneAt(1)]);
    await until("the later one is there", () => watcher.heard.length === 1);
    await delay(60);
  });
  await until("the earlier one is there", () => watcher.heard.length >= 2);
  await delay(80);
  assert.deepEqual(watcher.heard, [doneAt(1), doneAt(0)]);
});

test("nothing is stored while nobody watches, and who begins to hears what comes then", async () => {
  await forget();
  await using teller = new Member("teller");
  await using watcher = new Member("watcher");
  teller.notices.publish([doneAt(0)]);
  await delay(200);
  assert.equal(await count("notices"), 0);
  await watcher.watch();
  const from = performance.now();
  teller.notices.publish([doneAt(1)]);
  await until("it is there", () => watcher.heard.length > 0);
  assert.deepEqual(watcher.heard, [doneAt(1)]);
  assert.ok(performance.now() - from < 900, "before the watcher's own look");
});

test("who watches no more polls no more, and hears nothing old when it begins again", async () => {
  await forget();
  await using teller = new Member("teller");
  await using watcher = new Member("watcher");
  await watcher.watch();
  watcher.isWatched = false;
  await delay(100);
  await db.query("UPDATE sluice.watched SET until = until - interval '2 s'");
  const { rows: before } = await db.query("SELECT until FROM sluice.watched");
  teller.notices.publish([doneAt(0)]); // the row says for a while that somebody watches
  await until("it is stored", async () => (await count("notices")) === 1);
  await delay(1_100);
  const { rows: still } = await db.query("SELECT until FROM sluice.watched");
  assert.deepEqual(still, before, "nobody renews");
  watcher.isWatched = true;
  watcher.notices.listen();
  teller.notices.publish([doneAt(1)]);
  await until("it is there", () => watcher.heard.length > 0);
  assert.deepEqual(watcher.heard.at(-1), doneAt(1));
  assert.ok(!watcher.heard.some(({ id }) => id === idAt(0)), "old news");
});

test("rows go after some seconds, and what a slow server leaves untold is bounded", async () => {
  await forget();
  await using teller = new Member("teller");
  await using watcher = new Member("watcher");
  await watcher.watch();
  const old = "clock_timestamp() - interval '5 s'";
  await db.query(
    `INSERT INTO sluice.notices (xid, origin, stored_at, lines)
      SELECT i::text::xid8, 'gone', ${old}, '' FROM generate_series(1, 500) i`,
  );
  await until("they are gone", async () => (await count("notices")) === 0);
  await using holder = new Connection({ databaseUrl: postgres.url, name: "holder" });
  await holder.transaction(async (inside) => {
    await inside.query("LOCK TABLE sluice.notices IN SHARE MODE");
    teller.notices.publish([doneAt(0)]);
    await delay(200); // it is under way, and waits
    for (let round = 0; round < 20; round += 1) teller.notices.publish([...ids.keys()].map(doneAt));
  });
  await until("what was kept is there", () => watcher.heard.length > 1_000);
  await delay(150);
  assert.ok(watcher.heard.length < 4_000, `${watcher.heard.length} of 60,000`);
});

test("a server that restarts loses what was told, and is told again", async () => {
  await forget();
  await using teller = new Member("teller");
  await using watcher = new Member("watcher");
  await watcher.watch();
  teller.notices.publish([doneAt(0)]);
  await until("it is there", () => watcher.heard.length === 1);
  const text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ANY ($1)";
  await db.query(text, [["teller", "watcher"]]);
  await forget(); // as a crash does
  await until("it hears again", () => (teller.notices.publish([doneAt(1)]), watcher.heard.length > 1));
  assert.deepEqual(watcher.heard[1], doneAt(1));
});

test("closing tells what is left, and polls no more", async () => {
  await forget();
  await using watcher = new Member("watcher");
  await watcher.watch();
  const teller = new Member("teller");
  teller.notices.publish([doneAt(0)]);
  await teller[Symbol.asyncDispose]();
  await until("it is there", () => watcher.heard.length === 1);
  assert.deepEqual(watcher.heard, [doneAt(0)]);
});
