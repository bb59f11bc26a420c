// What a configuration means once read.
import type { LineSettings } from "../core/line-settings.ts";
import type { SluiceError } from "../core/errors.ts";
import type { RetryPolicy } from "../core/retry.ts";
import type { Schedule } from "../core/schedule.ts";
import type { SecretsOf, WebhookSecret } from "../core/webhook-signature.ts";
import type { AddressRule } from "../outbound/address-rule.ts";
import type { Target } from "../outbound/target.ts";
import type { FrontSettings } from "../gateway/front/settings.ts";
import type { Handler } from "../worker/handler.ts";
import type { TlsConfig } from "./config.ts";

/** What takes requests in. */
export interface IntakeSettings {
  readonly host: string;
  readonly port: number;
  readonly admin: { readonly host: string; readonly port: number } | undefined;
  readonly tls: TlsConfig | undefined;
  readonly keys: KeySource;
  readonly hosts: readonly string[];
  /** The file of the activity log; among the other lines where undefined. */
  readonly activityLog: string | undefined;
  readonly cors: readonly string[];
  readonly bodyBytesMax: number;
  readonly schedules: readonly Schedule[];
  /** A second listener. */
  readonly front: FrontSettings | undefined;
  /** How long a stop goes on serving everything, so that proxies notice. */
  readonly lingerMs: number;
}

/** Where the API keys are. Where there are none, calls need none. */
export type KeySource =
  /** Whether somebody said that the file is there: then it must be. */
  | { readonly kind: "file"; readonly file: string; readonly isNamed: boolean }
  /** What such a file has, from the variable SLUICE_KEYS. */
  | { readonly kind: "text"; readonly text: string };

/** What runs them. */
export interface WorkSettings {
  readonly graceMs: number;
  readonly queues: readonly WorkedQueue[];
}

/** The callbacks' own queue, where there is a secret for any. */
export interface CallingBack {
  readonly callbacks: WorkedQueue | undefined;
}

/** The user's queues, and Sluice's own where there is one. */
export function servedQueues({ queues, callbacks }: Served): readonly QueueSettings[] {
  return callbacks === undefined ? queues : [...queues, callbacks];
}

interface Served extends CallingBack {
  readonly queues: readonly QueueSettings[];
}

/** `sluice up` */
export interface UpSettings extends IntakeSettings, WorkSettings, CallingBack {
  readonly data: string;
  /** Starts without keys, though the store was served with some. */
  readonly isWithoutKeys: boolean;
  readonly retentionMs: number;
  readonly diskFreeMin: number | undefined;
}

/** What every process of a cluster needs. */
export interface MemberSettings extends CallingBack {
  readonly servers: ServerSettings;
  readonly durability: "standby" | undefined;
  readonly retentionMs: number;
}

/** What keeps requests while the ledger is out. */
export interface SpoolSettings {
  readonly folder: string;
  readonly bytesMax: number;
}

/** `sluice gateway` */
export interface GatewaySettings extends IntakeSettings, MemberSettings {
  readonly spool: SpoolSettings | undefined;
  readonly queues: readonly QueueSettings[];
}

/** `sluice worker` */
export interface WorkerSettings extends WorkSettings, MemberSettings {
  /** Who may read its metrics. */
  readonly keys: KeySource;
}

/** `sluice autoscale` */
export interface AutoscalerSettings extends MemberSettings {
  /** Who may read its metrics. */
  readonly keys: KeySource;
  /** Of the workers, where they are processes of this host. */
  readonly graceMs: number;
  readonly queues: readonly QueueSettings[];
}

/** `sluice migrate` and `sluice doctor`; the queues by their names */
export interface ClusterSettings {
  readonly servers: ServerSettings;
  readonly queues: readonly string[];
}

export interface ServerSettings {
  readonly databaseUrl: string;
  /** The ledger carries the hints unless given. */
  readonly amqpUrl: string | undefined;
  /** Rate and notices go through the ledger unless given. */
  readonly redisUrl: string | undefined;
  readonly prefix: string;
}

export interface QueueSettings {
  readonly name: string;
  readonly ratePerHour: number | undefined;
  readonly burst: number | undefined;
  readonly concurrency: number;
  /** Whether workers find out how many attempts at once the target takes; `concurrency` is then the most. */
  readonly isAuto: boolean;
  readonly timeoutMs: number;
  readonly resultBytesMax: number;
  readonly retryPolicy: RetryPolicy;
  readonly backlogMax: number;
  readonly backlogBytesMax: number;
  readonly lines: LineSettings | undefined;
  readonly schema: object | undefined;
  readonly isTransactional: boolean;
  readonly scaling: ScalingSettings;
  /** Absent where nothing could sign a callback. */
  readonly callback: CallbackSettings | undefined;
  /** A gateway can do without. */
  readonly run: RunSettings | undefined;
}

export interface CallbackSettings {
  /** For requests that name none. */
  readonly url: string | undefined;
  readonly secrets: readonly WebhookSecret[];
  /** Why a URL may not be called, by what stands in it. */
  readonly refusalOf: (url: URL) => SluiceError | undefined;
}

export interface ScalingSettings {
  readonly min: number;
  readonly max: number;
  readonly maxWaitMs: number;
  readonly holdMs: number;
}

export interface WorkedQueue extends QueueSettings {
  readonly run: RunSettings;
}

export type RunSettings =
  | { readonly kind: "handler"; readonly handle: Handler }
  | { readonly kind: "target"; readonly target: Target }
  | { readonly kind: "callbacks"; readonly secretsOf: SecretsOf; readonly rule: AddressRule };
