// What every queue has, be it of the user's or of Sluice's own, with every default filled in.
import type { RetryPolicy } from "../core/retry.ts";
import { readSetting, wrong } from "../core/setting.ts";
import type { QueueConfig, RetryConfig } from "./config.ts";
import { queueSettings, retrySettings, type WithDefault } from "./declared-settings.ts";
import type { QueueSettings } from "./settings.ts";
import { readLines } from "./read-lines.ts";
import { readScaling } from "./read-scaling.ts";
import { assertObject } from "./read-value.ts";

const retryFields = Object.keys(retrySettings);

type QueueFields = Omit<QueueSettings, "schema" | "isAuto" | "isTransactional" | "callback" | "run">;

export interface QueueFieldOptions {
  /** A field's place in the configuration, for the errors. */
  readonly at: (field: string) => string;
  readonly retry?: RetrySettings;
}

type RetrySettings = { readonly [field in Exclude<keyof RetryConfig, "retryAfterMax">]-?: WithDefault };

export function readQueueFields(
  name: string,
  queue: QueueConfig,
  { at, retry = retrySettings }: QueueFieldOptions,
): QueueFields {
  const { rate, burst, concurrency, timeout, resultMax, backlogMax, backlogBytesMax } = queueSettings;
  return {
    name,
    ratePerHour: readSetting(at("rate"), rate, queue.rate),
    burst: readSetting(at("burst"), burst, queue.burst),
    concurrency: readSetting(at("concurrency"), concurrency, queue.concurrency),
    timeoutMs: readSetting(at("timeout"), timeout, queue.timeout),
    resultBytesMax: readSetting(at("resultMax"), resultMax, queue.resultMax),
    retryPolicy: retryPolicy(at("retry"), queue.retry, retry),
    backlogMax: readSetting(at("backlogMax"), backlogMax, queue.backlogMax),
    backlogBytesMax: readSetting(at("backlogBytesMax"), backlogBytesMax, queue.backlogBytesMax),
    lines: readLines(at, queue),
    scaling: readScaling(at("scaling"), queue.scaling),
  };
}

function retryPolicy(place: string, retry: RetryConfig = {}, declared: RetrySettings): RetryPolicy {
  assertObject(place, retry, retryFields);
  const setting = (field: keyof RetrySettings): number =>
    readSetting(`${place}.${field}`, declared[field], retry[field]);
  const backoffMs = setting("backoff");
  const backoffMaxMs =
    retry.backoffMax === undefined ? Math.max(setting("backoffMax"), backoffMs) : setting("backoffMax");
  if (backoffMaxMs < backoffMs)
    throw wrong(`${place}.backoffMax`, `must be at least backoff, which is ${retry.backoff}`, retry.backoffMax);
  const retryAfterMaxMs =
    readSetting(`${place}.retryAfterMax`, retrySettings.retryAfterMax, retry.retryAfterMax) ?? backoffMaxMs;
  return { attemptsMax: setting("attempts"), backoffMs, backoffMaxMs, retryAfterMaxMs, ageMaxMs: setting("ageMax") };
}
