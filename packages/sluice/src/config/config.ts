// What a user may write in sluice.config.ts.
import type { Handler } from "../worker/handler.ts";
import type {
  HandshakeConfig,
  Secrets,
  SecretText,
  SourceConfig,
  PlaceConfig,
  TimeConfig,
  VerifyConfig,
} from "./front-values.ts";

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
  /** Submit a request at set times, by their names: `{ nightly: { queue: "orders", cron: "0 3 * * *" } }`. */
  readonly schedules?: Readonly<Record<string, ScheduleConfig>>;
  /** How callbacks are signed and made. */
  readonly callbacks?: CallbacksConfig;
  /** Which addresses may be called; `callbacks.allow` says which private ones callbacks may call. */
  readonly targets?: TargetsConfig;
  /**
   * `"standby"` gives no receipt for what a synchronous standby of PostgreSQL has not confirmed: it responds 503. Unless set,
   * the receipt says what there was: `postgres` or `postgres+standby`. The cluster's alone.
   */
  readonly durability?: "standby";
  /** A second listener, for senders that do not speak Sluice's API: its routes turn any HTTP request into a request of a queue. */
  readonly front?: FrontConfig;
  /** Keeps requests on the gateway's disk while PostgreSQL is out, and forwards them when it is back. `sluice gateway` alone. */
  readonly spool?: SpoolConfig;
  /** The servers of `sluice gateway` and `sluice worker`; secrets are better given by the environment. */
  readonly cluster?: ClusterConfig;
}

/** A request at set times: one for each tick, however many gateways there are. */
export interface ScheduleConfig {
  readonly queue: string;
  /** Five fields, as `"0 3 * * *"`: minute, hour, day of the month, month, day of the week. This or `every`. */
  readonly cron?: string;
  /** Counted from 1970-01-01T00:00Z: `"15m"` ticks at :00, :15, :30 and :45. This or `cron`. */
  readonly every?: string;
  /** In which `cron` is read, as `"Europe/Berlin"`; `"UTC"`. */
  readonly timeZone?: string;
  /** Sent as JSON; `null`. */
  readonly body?: unknown;
  /**
   * Which of the ticks that passed while none could be submitted are submitted later: `"skip"` none, `"last"` the latest, `"all"` each of
   * the newest 1,000, the oldest first; `"last"`. A tick up to a minute late is not missed.
   */
  readonly missed?: "skip" | "last" | "all";
}

export interface SpoolConfig {
  /** A folder of this gateway's own, on a disk that outlives it. */
  readonly folder: string;
  /** How much it may hold, as bodies, keys and headers; `"1GiB"`. Beyond it requests are rejected with 503. */
  readonly max?: string;
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

/** Service B, and how it is called. */
export interface TargetConfig {
  readonly url: string;
  /** Of each call: that of the request where `path` is `"append"`, and `"POST"` otherwise, unless set. */
  readonly method?: string;
  /** Set on each call. Secrets: a value never appears in a log, an error or a page. `secret("B_TOKEN")` reads the environment. */
  readonly headers?: Readonly<Record<string, SecretText>>;
  /**
   * `"append"` makes the call that the sender made to the front: its method, and its path and query below the path of `url`.
   * `"fixed"` posts to `url`. Unless set: `"append"` for a URL without a path, `"fixed"` for one with a path.
   */
  readonly path?: "append" | "fixed";
  /** Which of the headers kept with a request go along, as `["x-github-*"]`; all unless set. */
  readonly forward?: readonly string[];
  /** `"whsec_…"`: signs each attempt by Standard Webhooks, so that B knows who calls. Several sign each attempt once. */
  readonly sign?: Secrets;
  readonly tls?: TargetTlsConfig;
  /** What a status makes of an attempt: lists of statuses from 200 to 599. Unless listed, 2xx is done, 408, 425, 429 and 5xx retry. */
  readonly statuses?: {
    readonly done?: readonly number[];
    readonly retry?: readonly number[];
    readonly dead?: readonly number[];
  };
  /**
   * Which headers of a response are kept with the result, as `["etag", "x-*"]`. Unless set: all, for requests that came over the
   * front, and none for others.
   */
  readonly keepResultHeaders?: readonly string[];
}

/** Files, as PEM. */
export interface TargetTlsConfig {
  /** Whom to trust instead of the system's authorities. */
  readonly ca?: string;
  /** The certificate that Sluice shows to B, with the chain after it. */
  readonly cert?: string;
  /** Its private key. */
  readonly key?: string;
}

export interface ClusterConfig {
  /** PostgreSQL: `"postgres://user:password@host:5432/database"`. */
  readonly databaseUrl?: string;
  /**
   * RabbitMQ: `"amqp://user:password@host:5672/vhost"`, with commas between the hosts of several nodes. Unless set, workers find in
   * PostgreSQL which requests wait.
   */
  readonly amqpUrl?: string;
  /**
   * Redis: `"redis://:password@host:6379/0"`, or with Sentinels `"redis+sentinel://:password@a,b,c/mymaster/0"`. Unless set, workers
   * share rates, and gateways hear of outcomes, through PostgreSQL.
   */
  readonly redisUrl?: string;
  /** Begins every name on RabbitMQ and Redis, so that clusters can share them; `"sluice"`. A database belongs to one prefix. */
  readonly prefix?: string;
}

export interface FrontConfig {
  readonly port?: number;
  /** `"127.0.0.1"`; on any other address each route needs `verify`. */
  readonly host?: string;
  /** Files of a certificate and its key, as PEM: with them the front speaks TLS. */
  readonly tls?: TlsConfig;
  /**
   * By an optional method and a path: `"POST /hooks/github"`, `"/api/*"`, `"/tenants/:tenant/orders"`. The most specific route
   * wins. Without routes every path goes to the one queue.
   */
  readonly routes?: Readonly<Record<string, FrontRouteConfig>>;
  /** Whether GET, HEAD and OPTIONS go straight to B, where a route's queue has a target that takes its paths; `true`. */
  readonly passThrough?: boolean;
  /** Proxies in front, as addresses or networks such as `"10.0.0.0/8"`: their word on where a request came from is believed. */
  readonly trustedProxies?: readonly string[];
}

export interface FrontRouteConfig {
  /** Or a list: one request for each queue, all of them or none. */
  readonly queue: string | readonly string[];
  /** Who may send: a preset such as `github({ secret })`, or `"public"`. */
  readonly verify?: VerifyConfig;
  /** What a provider sends once to learn whether the URL is meant; `"slack"` with `verify: slack(…)`. */
  readonly handshake?: HandshakeConfig;
  /** What makes a repeated delivery the same request; the sender's Idempotency-Key unless set. */
  readonly key?: SourceConfig;
  /**
   * Requests do not begin before this: a duration from their arrival such as `"10m"`, or `header(name)`, `query(name)` or
   * `json(pointer)` of the sender's time (RFC 3339) or duration, up to 366 days ahead; at once unless set, or if it is missing.
   */
  readonly notBefore?: TimeConfig;
  /**
   * Requests that have not begun by then end dead as `expired`: in the same forms, up to 732 days ahead and after `notBefore`;
   * never unless set, or if it is missing.
   */
  readonly expires?: TimeConfig;
  /** The order key: `header(name)`, `query(name)` or `json(pointer)`; none unless set, or if it is missing. */
  readonly order?: PlaceConfig;
  /** The group: one for all requests of the route, or in the same forms. */
  readonly group?: string | PlaceConfig;
  /** The urgency, from 0, the most urgent, to 7: one for all requests of the route, or in the same forms. */
  readonly priority?: number | PlaceConfig;
  /** Which headers are kept, as `["x-github-*"]`. Unless set: all but Authorization, Cookie and those of the connection. */
  readonly headers?: readonly string[];
  /** How long the sender waits for B's own response; `"0s"`. `Prefer: wait=N` goes before it. */
  readonly wait?: string;
  /** Instead of the receipt. */
  readonly answer?: {
    /** 200. */
    readonly status?: number;
    /** `"text/plain; charset=utf-8"`. */
    readonly contentType?: string;
    /** Empty. */
    readonly body?: string;
  };
  /** The largest body; `bodyMax` of the gateway unless set. */
  readonly bodyMax?: string;
  /** Requests that are accepted in an hour, minute or second; further ones are 429. */
  readonly rate?: string;
  /** Senders that wait at once; the others get the receipt. */
  readonly concurrency?: number;
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
  /**
   * Attempts started in an hour, minute or second: `"100000/h"`; unlimited unless set. `"auto"`: as fast as the target can go,
   * which is found out: the same as `concurrency: "auto"`, with the number that `concurrency` may have as the most at once.
   */
  readonly rate?: string;
  /** Attempts that may start at once after a lull; a quarter of a second's worth of the rate. */
  readonly burst?: number;
  /**
   * Attempts that run at once in each worker; 16. `"auto"`, for a target: as many as it can work on at once, which each worker finds
   * out from its latency, 429 and 503; from 1 to 1,000. A `rate` beside it holds too.
   */
  readonly concurrency?: number | "auto";
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
  /** The URL that each request is posted to, or more about service B: this or `handle`. */
  readonly target?: string | TargetConfig;
  /** Effect and outcome in one transaction: with `handle`, and the cluster engine's alone. */
  readonly transactional?: boolean;
  /** Posts the outcome to a URL. */
  readonly callback?: CallbackConfig;
  /** Of requests with an order key (`Sluice-Order`). */
  readonly order?: OrderConfig;
  /** Of requests of a group (`Sluice-Group`): groups share the queue's starts. */
  readonly groups?: GroupsConfig;
  /** Of requests with an urgency (`Priority`). */
  readonly priorities?: PrioritiesConfig;
  /** How many replicas of the worker there should be: what `sluice autoscale` and the queue's `/scaling` go by. */
  readonly scaling?: ScalingConfig;
}

export interface OrderConfig {
  /**
   * What becomes of an order key when its request is dead: its next one goes, or it is held until somebody releases it or replays
   * the dead one; `"next"`.
   */
  readonly afterDead?: "next" | "hold";
}

/** Limits are for each group; a group can be given others at run time. */
export interface GroupsConfig {
  /** A group's share of the starts while others wait, by its name; 1 for the others. From 0.001 to 1,000. */
  readonly weight?: Readonly<Record<string, number>>;
  /** Attempts of one group at once; no bound. */
  readonly concurrency?: number;
  /** Starts of one group; no bound. */
  readonly rate?: string;
  /** Requests of one group that may wait; no bound of its own. */
  readonly backlogMax?: number;
}

export interface PrioritiesConfig {
  /** A request that waits is one step more urgent after each of these; `"1m"`. */
  readonly riseEvery?: string;
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
