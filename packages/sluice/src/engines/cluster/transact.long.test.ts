import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "@sluice/testing";
import { Connection } from "./database.ts";
import { cancelBackend } from "./transact.ts";

test("a handler's statement may take longer than one of ours, and is committed", async () => {
  await using postgres = await startPostgres();
  await using other = new Connection({ databaseUrl: postgres.url, name: "other" });
  await using connection = new Connection({
    databaseUrl: postgres.url,
    name: "transaction",
    cancel: (backend) => cancelBackend(other, backend),
  });
  await other.script("CREATE TABLE effects (text text)");
  await connection.transaction(async (inside) => {
    await inside.query("INSERT INTO effects SELECT 'made' FROM pg_sleep(16)");
  });
  assert.equal((await other.query("SELECT FROM effects")).rowCount, 1);
});
