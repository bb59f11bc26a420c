// What a look costs where most queues have nothing, on real servers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startPostgres, startRabbitmq, startRedis, temporaryFolder } from "@sluice/testing";
import { pino } from "pino";
import { queue, request } from "../../engine/contract/rig.ts";
import { Auditor } from "./auditor.ts";
import { Broker } from "./broker.ts";
import { Connection } from "./database.ts";
import { migrateCluster } from "./migrate.ts";
import { openCluster } from "./open.ts";
import type { ClusterServers } from "./options.ts";
import { Outages } from "./outages.ts";
import { StoreClock } from "./store-clock.ts";

const log = pino({ level: "silent" });
const names = Array.from({ length: 50 }, (_, n) => `q${n}`);
const busy = "q33";

const resources = new AsyncDisposableStack();
let servers: ClusterServers;

before(async () => {
  const folder = resources.use(await temporaryFolder());
  const postgres = resources.use(await startPostgres({ folder: folder.path }));
  const rabbitmq = resources.use(await startRabbitmq());
  const redis = resources.use(await startRedis());
  const databaseUrl = await postgres.createDatabase("audited");
  servers = { databaseUrl, amqpUrl: rabbitmq.url, redisUrl: redis.url, prefix: "test" };
  await migrateCluster({ servers, queues: names, log });
});
after(() => resources.disposeAsync());

test("each look is at the queues with a backlog, and at twenty of the others in turn", async () => {
  const member = { servers, queues: names.map((name) => queue(name)), name: "a gateway", log };
  await using engine = await openCluster(member);
  assert.equal((await engine.accept([{ ...request(), queue: busy }])).kind, "accepted");
  await using connection = new Connection({ databaseUrl: servers.databaseUrl, name: "a test" });
  await using broker = new Broker({
    url: servers.amqpUrl,
    prefix: "test",
    name: "a test",
    outages: new Outages(log),
    log,
  });
  await broker.connect();
  const looked: string[] = [];
  const { depth } = broker;
  broker.depth = (name) => (looked.push(name), depth.call(broker, name));
  const clock = new StoreClock();
  await clock.read(connection);
  const auditor = new Auditor({ connection, broker, clock, hintIdsMax: () => 1, stillMs: 30_000, log });
  const looks: (readonly string[])[] = [];
  for (let look = 0; look < 3; look += 1) {
    await auditor.look();
    looks.push(looked.splice(0));
  }
  assert.deepEqual(
    looks.map((one) => [one.length, one.includes(busy)]),
    [
      [21, true],
      [21, true],
      [21, true],
    ],
  );
  assert.deepEqual(new Set(looks.flat()), new Set(names), "in three looks each was looked at");
});
