import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startPostgres, type Postgres } from "@sluice/testing";
import { joinCluster, migrateLedger } from "../../../../test/cluster-session.ts";
import { Connection, type Statement } from "../ledger/connection/database.ts";
import { openLeadership } from "./leadership.ts";
import { Acting } from "../leader/terms.ts";

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres();
  await migrateLedger(postgres.url);
});
after(() => postgres[Symbol.asyncDispose]());

function open(scope: string, silentMs = 60_000) {
  return openLeadership(postgres.url, { scope, silentMs });
}

function connect(): Connection {
  return new Connection({ databaseUrl: postgres.url, name: "test" });
}

test("one of two leads, asked again and again; the other once the first is gone", async () => {
  await using second = open("swarm/a");
  await using first = open("swarm/a");
  for (let round = 0; round < 3; round += 1) {
    assert.equal(await first.leads(), true);
    assert.equal(await second.leads(), false);
  }
  await first[Symbol.asyncDispose]();
  assert.equal(await second.leads(), true);
});

test("each of two things has a leader of its own", async () => {
  await using first = open("swarm/a");
  await using second = open("swarm/b");
  assert.deepEqual([await first.leads(), await second.leads()], [true, true]);
});

test("a leader that is silent for too long is deposed, and finds out when it asks", async () => {
  await using silent = open("process/a", 200);
  await using other = open("process/a");
  assert.equal(await silent.leads(), true);
  while (!(await other.leads())); // the server's own time decides
  assert.equal(await silent.leads(), false);
});

test("a leader whose term was written by a clock that has stepped back since does not lead for ever", async () => {
  await using ahead = open("process/b", 1_000);
  await using other = open("process/b", 1_000);
  assert.equal(await ahead.leads(), true);
  await using db = connect();
  await db.script(
    "UPDATE sluice.leaders SET renewed_at = renewed_at + interval '1 hour', expires_at = expires_at + interval '1 hour'",
  );
  assert.equal(await other.leads(), true);
});

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

const NOTE: Statement = { name: "note", text: "UPDATE sluice.queues SET replicas_asked = $1 WHERE name = 'orders'" };

async function noted(): Promise<number | null> {
  await using db = connect();
  const text = "SELECT replicas_asked AS noted FROM sluice.queues WHERE name = 'orders'";
  return (await db.rows<{ noted: number | null }>({ name: "noted", text }))[0]?.noted ?? null;
}

test("a newer term wins: what the old leader does then changes nothing", async () => {
  await using first = await joinCluster(postgres.url, "first");
  await until(() => first.term !== undefined);
  const old = first.term;
  await using connection = connect();
  const acting = new Acting(connection, () => old);
  await acting.transaction((inside) => inside.rows(NOTE, [1]));
  assert.equal(await noted(), 1);

  await first.close();
  await using second = await joinCluster(postgres.url, "second");
  await until(() => second.term !== undefined);
  assert.ok((second.term?.term ?? 0) > (old?.term ?? 0));
  await assert.rejects(
    acting.transaction((inside) => inside.rows(NOTE, [2])),
    { code: "lost-claim" },
  );
  assert.equal(await noted(), 1);
});

test("nobody takes the lead in the middle of an act, and its own leader keeps the term meanwhile", async () => {
  await using first = await joinCluster(postgres.url, "first");
  await until(() => first.term !== undefined);
  const { term } = first;
  await using second = await joinCluster(postgres.url, "second");
  await using connection = connect();
  const acting = new Acting(connection, () => term);
  await acting.transaction(async (inside) => {
    await using db = connect();
    await assert.rejects(
      db.script(
        "SET lock_timeout = '100ms'; UPDATE sluice.leaders SET expires_at = '-infinity' WHERE scope = 'cluster'",
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 500)); // longer than a term
    assert.deepEqual([first.term, second.term], [term, undefined]);
    await inside.rows(NOTE, [3]);
  });
  assert.equal(await noted(), 3);
});
