// What a process asks of PostgreSQL while nothing happens: few enough statements that many processes can share a server.
import { test } from "node:test";
import { ok } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres, startRabbitmq, startRedis, startSluiceGateway, startSluiceWorker } from "@sluice/testing";
import { pino } from "pino";
import { migrateCluster } from "./ledger/schema/migrate.ts";

const log = pino({ level: "silent" });
const names = Array.from({ length: 30 }, (_, no) => `queue-${no}`);
const perSecondMax = 20;
const seconds = 12; // four looks for lost hints

test("an idle process asks at most 20 statements a second of PostgreSQL, whether it leads or not", async () => {
  await using postgres = await startPostgres({ settings: { log_statement: "all", log_line_prefix: "[%a] " } });
  await using rabbitmq = await startRabbitmq();
  await using redis = await startRedis();
  const databaseUrl = await postgres.createDatabase("idle");
  const servers = { databaseUrl, amqpUrl: rabbitmq.url, redisUrl: redis.url, prefix: "idle" };
  await migrateCluster({ servers, queues: names, log });
  const env = { DATABASE_URL: databaseUrl, AMQP_URL: rabbitmq.url, REDIS_URL: redis.url, SLUICE_PREFIX: "idle" };
  const args = names.flatMap((name) => ["--queue", name]);
  await using _leader = await startSluiceGateway({ env, args });
  await using _other = await startSluiceWorker({ env, args: [...args, "--target", "http://127.0.0.1:9"] });
  await delay(3_000);
  const from = postgres.output().length;
  await delay(seconds * 1_000);
  const asked = postgres
    .output()
    .slice(from)
    .split("\n")
    .flatMap((line) => /^\[(.*)\] LOG: {2}(?:statement|execute) /.exec(line)?.[1] ?? []);
  const following = asked.filter((who) => who.includes("worker")).length;
  for (const [what, count] of Object.entries({ following, leading: asked.length - following })) {
    const perSecond = count / seconds;
    ok(perSecond > 1 && perSecond <= perSecondMax, `${what}: ${perSecond.toFixed(1)} a second`);
  }
});
