import { startPostgres, startRabbitmq, startRedis } from "@sluice/testing";
import type { PeerProcess } from "./peer.ts";

export interface TextbookServers extends AsyncDisposable {
  readonly processes: readonly PeerProcess[];
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** What gateway and worker need to find them. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * PostgreSQL and RabbitMQ as they come: what they confirm is on disk. Redis appends each write to its log and syncs
 * the log every second, its default: redis.io/docs/latest/operate/oss_and_stack/management/persistence
 */
export async function startTextbookServers(): Promise<TextbookServers> {
  await using resources = new AsyncDisposableStack();
  const postgres = resources.use(await startPostgres());
  const rabbitmq = resources.use(await startRabbitmq());
  const redis = resources.use(await startRedis({ settings: { appendonly: "yes" } }));
  const owned = resources.move();
  return {
    processes: [
      { role: "postgres", pid: postgres.pid },
      { role: "rabbitmq", pid: rabbitmq.pid },
      { role: "redis", pid: redis.pid },
    ],
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    env: { DATABASE_URL: postgres.url, AMQP_URL: rabbitmq.url, REDIS_URL: redis.url },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
