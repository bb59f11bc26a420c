// Every setting of the configuration that is a number, a duration, a size or a rate: from where to where, and its default. A
// timer takes a little under 25 days at most, and fires at once beyond: what is waited for by one stays below.
import type { Setting } from "../core/setting.ts";
import type {
  CallbacksConfig,
  FrontConfig,
  GroupsConfig,
  PrioritiesConfig,
  FrontRouteConfig,
  QueueConfig,
  RetryConfig,
  ScalingConfig,
  ScheduleConfig,
  SluiceConfig,
  SpoolConfig,
} from "./config.ts";

type Declared<Config> = { readonly [field in keyof Config]?: Setting };

export type WithDefault = Setting & { readonly default: string };

export const fileSettings = {
  port: { kind: "integer", min: "0", max: "65535", default: "8080" },
  adminPort: { kind: "integer", min: "0", max: "65535" },
  retention: { kind: "duration", min: "1s", max: "3650d", default: "7d" },
  /** No more has room among the bodies that arrive together. */
  bodyMax: { kind: "size", min: "1B", max: "64MiB", default: "1MiB" },
  diskFreeMin: { kind: "size", min: "0B", max: "1024TiB" },
  linger: { kind: "duration", min: "0s", max: "10m", default: "5s" },
  grace: { kind: "duration", min: "0s", max: "24h", default: "25s" },
} as const satisfies Declared<SluiceConfig>;

export const queueSettings = {
  rate: { kind: "rate", min: "1/d", max: "1000000/s" },
  burst: { kind: "integer", min: "1", max: "1000000" },
  concurrency: { kind: "integer", min: "1", max: "10000", default: "16" },
  timeout: { kind: "duration", min: "1ms", max: "24h", default: "30s" },
  resultMax: { kind: "size", min: "1B", max: "64MiB", default: "10MiB" },
  backlogMax: { kind: "integer", min: "1", max: "1000000000", default: "10000000" },
  backlogBytesMax: { kind: "size", min: "1B", max: "1024TiB", default: "100GiB" },
} as const satisfies Declared<QueueConfig>;

export const groupsSettings = {
  concurrency: { kind: "integer", min: "1", max: "10000" },
  rate: { kind: "rate", min: "1/d", max: "1000000/s" },
  backlogMax: { kind: "integer", min: "1", max: "1000000000" },
} as const satisfies Declared<GroupsConfig>;

export const prioritiesSettings = {
  riseEvery: { kind: "duration", min: "1s", max: "30d", default: "1m" },
} as const satisfies Declared<PrioritiesConfig>;

export const weightSetting = { kind: "factor", min: "0.001", max: "1000" } as const;

export const frontSettings = {
  port: { kind: "integer", min: "0", max: "65535" },
} as const satisfies Declared<FrontConfig>;

export const frontRouteSettings = {
  notBefore: { kind: "duration", min: "0s", max: "366d" },
  expires: { kind: "duration", min: "1s", max: "732d" },
  priority: { kind: "integer", min: "0", max: "7" },
  wait: { kind: "duration", min: "0s", max: "60s", default: "0s" },
  /** That of the API unless set. */
  bodyMax: { kind: "size", min: "1B", max: "64MiB" },
  rate: { kind: "rate", min: "1/d", max: "1000000/s" },
  concurrency: { kind: "integer", min: "1", max: "5000" },
} as const satisfies Declared<FrontRouteConfig>;

export const spoolSettings = {
  max: { kind: "size", min: "1MiB", max: "1TiB", default: "1GiB" },
} as const satisfies Declared<SpoolConfig>;

export const retrySettings = {
  attempts: { kind: "integer", min: "1", max: "1000", default: "20" },
  backoff: { kind: "duration", min: "1ms", max: "30d", default: "1s" },
  backoffMax: { kind: "duration", min: "1ms", max: "30d", default: "10m" },
  /** `backoffMax` unless set. */
  retryAfterMax: { kind: "duration", min: "0s", max: "30d" },
  ageMax: { kind: "duration", min: "1ms", max: "3650d", default: "30d" },
} as const satisfies Declared<RetryConfig>;

export const scalingSettings = {
  min: { kind: "integer", min: "1", max: "10000", default: "1" },
  max: { kind: "integer", min: "1", max: "10000", default: "8" },
  maxWait: { kind: "duration", min: "1ms", max: "30d", default: "5m" },
  hold: { kind: "duration", min: "0s", max: "30d", default: "5m" },
} as const satisfies Declared<ScalingConfig>;

export const scheduleSettings = {
  every: { kind: "duration", min: "1s", max: "365d" },
} as const satisfies Declared<ScheduleConfig>;

export const callbacksSettings = {
  rate: queueSettings.rate,
  concurrency: { ...queueSettings.concurrency, default: "32" },
  timeout: { ...queueSettings.timeout, default: "15s" },
} as const satisfies Declared<CallbacksConfig>;

export const callbacksRetrySettings = {
  ...retrySettings,
  backoff: { ...retrySettings.backoff, default: "5s" },
  backoffMax: { ...retrySettings.backoffMax, default: "12h" },
} as const satisfies Declared<RetryConfig>;
