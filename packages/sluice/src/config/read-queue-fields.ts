// What every queue has, be it of the user's or of Sluice's own, with every default filled in.
import { parseDuration, parseRate, parseSize } from "../core/duration.ts";
import { defaultRetryPolicy, type RetryPolicy } from "../core/retry.ts";
import type { QueueConfig, RetryConfig } from "./config.ts";
import type { QueueSettings } from "./settings.ts";
import { readScaling } from "./read-scaling.ts";
import { assertObject, read, readInteger, readOptional } from "./read-value.ts";

const retryFields = ["attempts", "backoff", "backoffMax", "ageMax"];

type QueueFields = Omit<QueueSettings, "schema" | "isTransactional" | "callback" | "run">;

/** `at` gives a field's place in the configuration, for the errors. */
export function readQueueFields(name: string, queue: QueueConfig, at: (field: string) => string): QueueFields {
  return {
    name,
    ratePerHour: readOptional(at("rate"), parseRate, queue.rate),
    burst: queue.burst === undefined ? undefined : readInteger(at("burst"), queue.burst, { least: 1, most: 1_000_000 }),
    concurrency: readInteger(at("concurrency"), queue.concurrency ?? 16, { least: 1, most: 10_000 }),
    timeoutMs: read(at("timeout"), parseDuration, queue.timeout ?? "30s"),
    resultBytesMax: read(at("resultMax"), parseSize, queue.resultMax ?? "10MiB"),
    retryPolicy: retryPolicy(at("retry"), queue.retry ?? {}),
    backlogMax: readInteger(at("backlogMax"), queue.backlogMax ?? 10_000_000, { least: 1, most: 1_000_000_000 }),
    backlogBytesMax: read(at("backlogBytesMax"), parseSize, queue.backlogBytesMax ?? "100GiB"),
    scaling: readScaling(at("scaling"), queue.scaling ?? {}),
  };
}

function retryPolicy(place: string, retry: RetryConfig): RetryPolicy {
  assertObject(place, retry, retryFields);
  const duration = (field: "backoff" | "backoffMax" | "ageMax", fallbackMs: number): number =>
    readOptional(`${place}.${field}`, parseDuration, retry[field]) ?? fallbackMs;
  const attempts = retry.attempts ?? defaultRetryPolicy.attemptsMax;
  return {
    attemptsMax: readInteger(`${place}.attempts`, attempts, { least: 1, most: 1_000 }),
    backoffMs: duration("backoff", defaultRetryPolicy.backoffMs),
    backoffMaxMs: duration("backoffMax", defaultRetryPolicy.backoffMaxMs),
    ageMaxMs: duration("ageMax", defaultRetryPolicy.ageMaxMs),
  };
}
