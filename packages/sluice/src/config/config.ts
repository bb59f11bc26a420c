// What a user may write in sluice.config.ts, and what it means once read.
import type { RetryPolicy } from "../core/retry.ts";
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
  /** How long finished requests are kept with their results and keys; `"7d"`. */
  readonly retention?: string;
  /** The largest body; `"1MiB"`. */
  readonly bodyMax?: string;
  /** Room that must stay free on the disk for intake to go on; `"256MiB"`, or a tenth of a small disk. */
  readonly diskFreeMin?: string;
  /** How long a stop waits for what runs; `"25s"`. */
  readonly grace?: string;
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
  /** A JSON Schema that each body must fit. */
  readonly schema?: object;
  /** The handler: this or `target`. */
  readonly handle?: Handler;
  /** The URL that each request is posted to: this or `handle`. */
  readonly target?: string;
  /** Effect and outcome in one transaction: the cluster engine's alone. */
  readonly transactional?: boolean;
}

export interface RetryConfig {
  /** Failed attempts until a request is dead; 20. */
  readonly attempts?: number;
  /** The first backoff, doubled with each failed attempt; `"1s"`. */
  readonly backoff?: string;
  /** `"10m"`. */
  readonly backoffMax?: string;
  /** Age at which a failure is final; `"30d"`. */
  readonly ageMax?: string;
}

/** Gives the configuration back, with its types checked. */
export function defineConfig(config: SluiceConfig): SluiceConfig {
  return config;
}

/** Flags and environment as `sluice up` reads them: each goes before the file. */
export interface Overrides {
  readonly data?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly retention?: string | undefined;
  readonly bodyMax?: string | undefined;
  readonly diskFreeMin?: string | undefined;
  readonly grace?: string | undefined;
  /** One queue without a file. */
  readonly queue?: string | undefined;
  readonly target?: string | undefined;
  readonly rate?: string | undefined;
  readonly concurrency?: string | undefined;
  readonly timeout?: string | undefined;
}

export interface Settings {
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly retentionMs: number;
  readonly bodyBytesMax: number;
  readonly diskFreeMin: number | undefined;
  readonly graceMs: number;
  readonly queues: readonly QueueSettings[];
}

export interface QueueSettings {
  readonly name: string;
  readonly ratePerHour: number | undefined;
  readonly burst: number | undefined;
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly resultBytesMax: number;
  readonly retryPolicy: RetryPolicy;
  readonly backlogMax: number;
  readonly backlogBytesMax: number;
  readonly schema: object | undefined;
  readonly run: RunSettings;
}

export type RunSettings =
  | { readonly kind: "handler"; readonly handle: Handler }
  | { readonly kind: "target"; readonly url: URL };
