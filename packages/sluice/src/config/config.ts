// What a user may write in sluice.config.ts.
import type { Handler } from "../worker/handler.ts";

/** The configuration file. Everything has a default but the queues. */
export interface SluiceConfig {
  readonly queues: Readonly<Record<string, QueueConfig>>;
  /** The data folder; `"./data"`. */
  readonly data?: string;
  /** `"127.0.0.1"`. */
  readonly host?: string;
  /** `8080`. */
  readonly port?: number;
  /** Gives the admin routes a port of their own: on `port` they do not exist then. */
  readonly adminPort?: number;
  /** Where that port is; `"127.0.0.1"`. */
  readonly adminHost?: string;
  /** Files of a certificate and its key, as PEM: with them the gateway speaks TLS. They are read again when they change. */
  readonly tls?: TlsConfig;
  /** The file of the API keys, which `sluice keys` writes; `keys.json` in the data folder. */
  readonly keys?: string;
  /**
   * The names by which callers reach the gateway, as `["sluice.example"]`, without a port. Without API keys it takes calls for
   * these and for `localhost` and loopback addresses; with keys for any name, unless some are set.
   */
  readonly hosts?: readonly string[];
  /** The file that the activity log is written to; it is among the other lines unless set. */
  readonly activityLog?: string;
  /** Whose pages may call the API from a browser: origins as `"https://app.example"`, or `"*"` for any; none unless set. */
  readonly cors?: readonly string[];
  /** How long finished requests are kept with their results and keys; `"7d"`. */
  readonly retention?: string;
  /** The largest body; `"1MiB"`. */
  readonly bodyMax?: string;
  /** Room that must stay free on the disk for intake to go on; `"256MiB"`, or a tenth of a small disk. */
  readonly diskFreeMin?: string;
  /** How long SIGTERM lets a gateway serve on, so that the proxies in front notice before it stops; `"5s"`. */
  readonly linger?: string;
  /** How long a stop waits for what runs; `"25s"`. */
  readonly grace?: string;
  /** How callbacks are signed and made. */
  readonly callbacks?: CallbacksConfig;
  /** Which addresses may be called; `callbacks.allow` says which private ones callbacks may call. */
  readonly targets?: TargetsConfig;
  /**
   * `"standby"` gives no receipt for what a synchronous standby of PostgreSQL has not confirmed: it responds 503. Unless set,
   * the receipt says what there was: `postgres` or `postgres+standby`. The cluster's alone.
   */
  readonly durability?: "standby";
  /** The servers of `sluice gateway` and `sluice worker`; secrets are better given by the environment. */
  readonly cluster?: ClusterConfig;
}

export interface TlsConfig {
  /** The certificate's file, with the chain after it. */
  readonly cert: string;
  /** Its private key's file. */
  readonly key: string;
}

export interface TargetsConfig {
  /** `["http", "https"]`. */
  readonly schemes?: readonly ("http" | "https")[];
  /** The hosts that may be called, as `"b.example"` or `"*.example"`; any unless set. */
  readonly hosts?: readonly string[];
  /**
   * What may be called though its address is private: host names, addresses, networks as `"10.0.0.0/8"`, or `"private"` for
   * all. A target that names `localhost` or an address itself needs no more words.
   */
  readonly allow?: readonly string[];
}

export interface ClusterConfig {
  /** PostgreSQL: `"postgres://user:password@host:5432/database"`. */
  readonly databaseUrl?: string;
  /** RabbitMQ: `"amqp://user:password@host:5672/vhost"`, with commas between the hosts of several nodes. */
  readonly amqpUrl?: string;
  /** Redis: `"redis://:password@host:6379/0"`, or with Sentinels `"redis+sentinel://:password@a,b,c/mymaster/0"`. */
  readonly redisUrl?: string;
  /** Begins every name on RabbitMQ and Redis, so that clusters can share them; `"sluice"`. A database belongs to one prefix. */
  readonly prefix?: string;
}

export interface CallbacksConfig {
  /**
   * `"whsec_…"`, which signs the callbacks of every queue without a secret of its own; better given by the environment, as
   * `SLUICE_CALLBACK_SECRET`. Several sign each callback once, so that receivers can change from one to the next.
   */
  readonly secret?: string | readonly string[];
  /**
   * What may be called back though its address is private: as `targets.allow`, and apart from it. The schemes and hosts of
   * `targets` hold for callbacks too.
   */
  readonly allow?: readonly string[];
  /** Attempts started in an hour, minute or second; unlimited unless set. */
  readonly rate?: string;
  /** Attempts that run at once; 32. One receiver gets three quarters of them at most. */
  readonly concurrency?: number;
  /** How long one attempt may take; `"15s"`. */
  readonly timeout?: string;
  /** 20 attempts, a first backoff of `"5s"` and a longest of `"12h"`: within some two days. */
  readonly retry?: RetryConfig;
}

/** Who is told of the outcomes of a queue. */
export interface CallbackConfig {
  /** Told of each request that names no URL itself; unless set only of those that do. */
  readonly url?: string;
  /** Instead of the one for all queues. */
  readonly secret?: string | readonly string[];
}

export interface QueueConfig {
  /** Attempts started in an hour, minute or second: `"100000/h"`; unlimited unless set. */
  readonly rate?: string;
  /** Attempts that may start at once after a lull; a quarter of a second's worth of the rate. */
  readonly burst?: number;
  /** Attempts that run at once; 16. */
  readonly concurrency?: number;
  /** How long one attempt may take; `"30s"`. */
  readonly timeout?: string;
  /** The most bytes a result may have; `"10MiB"`. */
  readonly resultMax?: string;
  readonly retry?: RetryConfig;
  /** Requests that may wait; 10,000,000. */
  readonly backlogMax?: number;
  /** Bytes of bodies that may wait; `"100GiB"`. */
  readonly backlogBytesMax?: string;
  /**
   * A JSON Schema that each body must fit. The check ends at the first place that does not. What it costs is the schema's to
   * bound: a `pattern` with nested repetitions such as `^(a+)+$` can take for ever, and so can `uniqueItems` of objects
   * or `contains` without a `maxItems`. A start logs such places. A `$ref` is followed 20,000 times, and once more for each byte of
   * the body: a schema that refers to itself in several branches of an `anyOf` takes no deeper trees than that allows.
   */
  readonly schema?: object;
  /** The handler: this or `target`. */
  readonly handle?: Handler;
  /** The URL that each request is posted to: this or `handle`. */
  readonly target?: string;
  /** Effect and outcome in one transaction: with `handle`, and the cluster engine's alone. */
  readonly transactional?: boolean;
  /** Posts the outcome to a URL. */
  readonly callback?: CallbackConfig;
  /** How many replicas of the worker there should be: what `sluice autoscale` and the queue's `/scaling` go by. */
  readonly scaling?: ScalingConfig;
}

export interface ScalingConfig {
  /** 1. */
  readonly min?: number;
  /** 8. */
  readonly max?: number;
  /** How long a request may wait for its turn: `"5m"`. */
  readonly maxWait?: string;
  /** How long fewer must have been enough before any is let go: `"5m"`. */
  readonly hold?: string;
}

export interface RetryConfig {
  /** Failed attempts until a request is dead; 20. */
  readonly attempts?: number;
  /** The first backoff, doubled with each failed attempt; `"1s"`. */
  readonly backoff?: string;
  /** `"10m"`. */
  readonly backoffMax?: string;
  /** The longest wait that a target gets which asks for one with Retry-After; `backoffMax` unless set. */
  readonly retryAfterMax?: string;
  /** Age at which a failure is final; `"30d"`. */
  readonly ageMax?: string;
}

/** Gives the configuration back, with its types checked. */
export function defineConfig(config: SluiceConfig): SluiceConfig {
  return config;
}
