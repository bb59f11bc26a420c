import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { runSluice } from "../../test/run-sluice.ts";

test("dead replay of a queue waits for longer than other commands for its answer", async (t) => {
  const answer = { total: 300_000, limit: 1_000_000, matched: 300_000, replayed: 300_000, dryRun: false };
  const gateway = createServer((_, response) => {
    setTimeout(() => response.setHeader("content-type", "application/json").end(JSON.stringify(answer)), 31_000);
  }).listen(0, "127.0.0.1");
  t.after(() => gateway.close().closeAllConnections());
  await once(gateway, "listening");
  const url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
  const { exitCode, stdout } = await runSluice({ args: ["dead", "replay", "-q", "orders", "--limit", "1000000"], url });
  assert.deepEqual([exitCode, stdout], [0, "replayed 300,000 of 300,000 dead requests in orders (limit 1,000,000)\n"]);
});
