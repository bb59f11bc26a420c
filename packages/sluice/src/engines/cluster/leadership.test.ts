import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startPostgres, type Postgres } from "@sluice/testing";
import { openLeadership } from "./leadership.ts";

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres();
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
  assert.equal(await silent.leads().catch(() => false), false);
});
