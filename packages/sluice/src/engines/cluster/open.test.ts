import { equal, rejects } from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { freePort, startPostgres } from "@sluice/testing";
import type { SluiceError } from "../../core/errors.ts";
import { openLog } from "../../telemetry/log.ts";
import { migrateCluster } from "./ledger/schema/migrate.ts";
import { openCluster } from "./open.ts";

const log = openLog({ level: "silent", isPretty: false });

for (const connections of [0, 1, 2]) {
  test(`a PostgreSQL that goes after ${connections} connections of a start is unreachable`, async () => {
    await using postgres = await startPostgres();
    const rest = { amqpUrl: `amqp://127.0.0.1:${await freePort()}`, redisUrl: "redis://127.0.0.1:1", prefix: "test" };
    const servers = { ...rest, databaseUrl: postgres.url };
    await migrateCluster({ servers, queues: ["orders"], log, declare: () => Promise.resolve("declared") });
    await using gate = await openGate(postgres.port, connections);
    const databaseUrl = postgres.url.replace(`:${postgres.port}/`, `:${gate.port}/`);
    const queues = [{ name: "orders", backlogMax: 10, backlogBytesMax: 1_000 }];
    await rejects(
      openCluster({ servers: { ...rest, databaseUrl }, queues, name: "test", log }),
      (error: SluiceError) => {
        equal(error.code, "unreachable");
        return true;
      },
    );
  });
}

/** Lets so many connections through to the port, and resets all that come later. */
async function openGate(port: number, connections: number): Promise<AsyncDisposable & { readonly port: number }> {
  let left = connections;
  const server = createServer((client) => {
    client.on("error", () => undefined); // reset by us
    left -= 1;
    if (left < 0) return void client.resetAndDestroy();
    const upstream = connect(port, "127.0.0.1").on("error", () => undefined);
    client.pipe(upstream).pipe(client);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      await Promise.resolve();
    },
  };
}
