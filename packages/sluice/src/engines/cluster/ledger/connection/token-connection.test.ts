import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres, temporaryFolder } from "@sluice/testing";
import { pino } from "pino";
import type { Statement } from "./database.ts";
import { migrateCluster } from "../schema/migrate.ts";
import { tokenConnection } from "./token-connection.ts";

const LEND: Statement = {
  name: "lend",
  text: `INSERT INTO sluice.running SELECT gen_random_uuid(), nextval('sluice.tokens'), 1, 1, 0, 0, 0, 0
    RETURNING token::float8 AS token`,
};

/** What is not waited for stays in PostgreSQL's memory, and goes with a crash. */
const settings = { wal_writer_delay: "10s" };

/** A page of the log that is full is written at once: all claims of the test are to fit into one. */
const NEW_PAGE = `SELECT pg_switch_wal();
  BEGIN; SET LOCAL synchronous_commit = on; SELECT pg_logical_emit_message(true, 'test', ''); COMMIT`;

/** As a worker claims. */
function options(databaseUrl: string) {
  return { databaseUrl, name: "test", settings: { synchronous_commit: "off" } };
}

test("a fencing token is not given again after a crash of PostgreSQL (I3)", async () => {
  await using folder = await temporaryFolder();
  await using first = await startPostgres({ folder: folder.path, settings });
  const servers = { databaseUrl: first.url, amqpUrl: "", redisUrl: "", prefix: "test" };
  const log = pino({ level: "silent" });
  await migrateCluster({ servers, queues: ["orders"], log, declare: async () => "declared" });
  await using claiming = tokenConnection(options(first.url));
  await claiming.script(NEW_PAGE);
  let last = 0;
  for (let claim = 0; claim < 40; claim += 1) last = (await claiming.rows<{ token: number }>(LEND))[0]?.token ?? 0;
  first.kill("SIGKILL");
  await first.exited;
  await using second = await startPostgres({ folder: first.folder, port: first.port, settings });
  await using again = tokenConnection(options(second.url));
  const [row] = await again.rows<{ token: number }>(LEND);
  assert.ok((row?.token ?? 0) > last, `${row?.token} comes after ${last}`);
});
