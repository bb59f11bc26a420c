// The drill of docs/how-to/backups.md: a backup is taken under load with the command of the page, everything else is lost,
// and what comes back is held against what was accepted before.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { createClient, type SluiceClient } from "@sluice/client";
import {
  postgresProgram,
  startPostgres,
  startRabbitmq,
  startRedis,
  startSluice,
  startSluiceGateway,
  startSluiceWorker,
  temporaryFolder,
} from "@sluice/testing";
import { stepsOf } from "./docs/page-steps.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "..");
const page = readFileSync(path.join(root, "docs/how-to/backups.md"), "utf8");
const count = 600;

const config = `
import { setTimeout as delay } from "node:timers/promises";
import { defineConfig } from ${JSON.stringify(new URL("../packages/sluice/src/index.ts", import.meta.url).href)};
export default defineConfig({ queues: { orders: { async handle(request) { await delay(10); return request.json(); } } } });
`;

test(
  "one process: what was accepted before the backup is all there after a restore",
  { timeout: 120_000 },
  async () => {
    await using folder = await temporaryFolder();
    const configFile = path.join(folder.path, "sluice.config.ts");
    await writeFile(configFile, config);
    const ids: string[] = [];
    {
      await using server = await startSluice({ dataFolder: path.join(folder.path, "data"), configFile });
      const sluice = createClient({ url: server.url });
      ids.push(...(await submit(sluice, 0)));
      const later = submit(sluice, count); // the backup is taken while more arrives and while others run
      const [backup] = stepsOf(page).filter((step) => step.kind === "run");
      assert.ok(backup, "the page has the command that takes a backup");
      await run("sh", ["-ec", backup.command], { cwd: folder.path });
      await later;
      server.kill("SIGKILL");
      await server.exited;
    }
    const restored = path.join(folder.path, "restored");
    mkdirSync(restored);
    copyFileSync(path.join(folder.path, "backup.db"), path.join(restored, "sluice.db"));
    await using server = await startSluice({ dataFolder: restored, configFile });
    await assertAllThere(createClient({ url: server.url }), ids);
  },
);

test("a cluster: a dump of PostgreSQL is enough, beside an empty broker and cache", { timeout: 280_000 }, async () => {
  await using folder = await temporaryFolder();
  const configFile = path.join(folder.path, "sluice.config.ts");
  await writeFile(configFile, config);
  await using postgres = await startPostgres();
  const dump = path.join(folder.path, "sluice.dump");
  const ids: string[] = [];
  {
    await using cluster = await startCluster(await postgres.createDatabase("before"), configFile);
    ids.push(...(await submit(cluster.client, 0)));
    const later = submit(cluster.client, count);
    await run(postgresProgram("pg_dump"), ["-Fc", "-f", dump, cluster.databaseUrl]);
    await later;
  }
  const databaseUrl = await postgres.createDatabase("after");
  await run(postgresProgram("pg_restore"), ["--no-owner", "-d", databaseUrl, dump]);
  await using cluster = await startCluster(databaseUrl, configFile, { isMigrated: true });
  await assertAllThere(cluster.client, ids);
});

async function submit(sluice: SluiceClient, from: number): Promise<readonly string[]> {
  const ids: string[] = [];
  const items = Array.from({ length: count }, (_, at) => ({ key: `order-${from + at}`, body: from + at }));
  for await (const { id } of sluice.submitMany("orders", items, { batchSize: 50 })) ids.push(id);
  return ids;
}

/** The law holds, none is missing, and each has its own result, now or soon. */
async function assertAllThere(sluice: SluiceClient, ids: readonly string[]): Promise<void> {
  const audit = await sluice.audit();
  assert.equal(audit.holds, true, JSON.stringify(audit));
  assert.ok((audit.queues[0]?.accepted ?? 0) >= ids.length);
  for (const [at, id] of ids.entries()) {
    assert.equal((await sluice.wait(id, { timeoutMs: 120_000 })).state, "done");
    assert.equal((await sluice.result(id)).json(), at);
  }
}

async function startCluster(databaseUrl: string, configFile: string, { isMigrated = false } = {}) {
  await using stack = new AsyncDisposableStack();
  const rabbitmq = stack.use(await startRabbitmq());
  const redis = stack.use(await startRedis());
  const env = { DATABASE_URL: databaseUrl, AMQP_URL: rabbitmq.url, REDIS_URL: redis.url };
  const command = path.join(root, "packages/sluice/bin/sluice.js");
  if (!isMigrated)
    await run(process.execPath, [command, "migrate", "--config", configFile], { env: { ...process.env, ...env } });
  const gateway = stack.use(await startSluiceGateway({ configFile, env }));
  stack.use(await startSluiceWorker({ configFile, env }));
  const owned = stack.move();
  return {
    databaseUrl,
    client: createClient({ url: gateway.url }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
