import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startPostgres, type Postgres } from "@sluice/testing";
import { migrateLedger } from "../../../../test/cluster-session.ts";
import { Connection } from "../ledger/connection/database.ts";
import { openLeadership } from "./leadership.ts";

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres();
  await migrateLedger(postgres.url);
});
after(() => postgres[Symbol.asyncDispose]());

function open(scope: string, silentMs = 60_000) {
  return openLeadership(postgres.url, { scope, silentMs });
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
  await using db = new Connection({ databaseUrl: postgres.url, name: "test" });
  await db.script(
    "UPDATE sluice.leaders SET renewed_at = renewed_at + interval '1 hour', expires_at = expires_at + interval '1 hour'",
  );
  assert.equal(await other.leads(), true);
});
