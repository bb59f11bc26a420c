// Where a cluster's servers are, and what an engine on them must know.
import type { Clock } from "../../core/clock.ts";
import type { OnCommit } from "../../engine/commit.ts";
import type { Carriers, QueueBounds } from "../../engine/engine.ts";
import type { Logger } from "../../telemetry/log.ts";

export interface ClusterServers {
  /** `postgres://user:password@host:5432/database` */
  readonly databaseUrl: string;
  /** `amqp://user:password@host:5672/vhost`; undefined where the ledger hands out the hints. */
  readonly amqpUrl?: string | undefined;
  /** `redis://:password@host:6379/0`; undefined where the ledger shares the rate and the notices. */
  readonly redisUrl?: string | undefined;
  /** Begins every name on RabbitMQ and Redis, so that clusters can share them; `sluice` unless set. */
  readonly prefix: string;
}

/** What each process of these servers uses. */
export function carriersOf({ amqpUrl, redisUrl }: ClusterServers): Carriers {
  return {
    hints: amqpUrl === undefined ? "postgres" : "rabbitmq",
    notices: redisUrl === undefined ? "postgres" : "redis",
  };
}

export interface ClusterOptions {
  readonly servers: ClusterServers;
  readonly queues: readonly QueueBounds[];
  /** How this process is told to others, as `worker 4711 on b2`. */
  readonly name: string;
  readonly log: Logger;
  /** How long finished requests, their results and their keys are kept; 7 days unless set. */
  readonly retentionMs?: number | undefined;
  /** Crashes in flight after which a request ends dead as `poison`; 5 unless set. */
  readonly crashesMax?: number | undefined;
  /** How long a process that is silent keeps its claims, in milliseconds; 15,000 unless set. */
  readonly leaseMs?: number | undefined;
  /** How often a process shows that it lives, in milliseconds; 1,000 unless set. */
  readonly beatMs?: number | undefined;
  /** Give no receipt for what only the primary has; what PostgreSQL is set to decides unless set. */
  readonly durability?: "standby" | undefined;
  readonly clock?: Clock | undefined;
  /** Told of each commit of requests and of outcomes, after it. */
  readonly onCommit?: OnCommit | undefined;
}
