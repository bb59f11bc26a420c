// One queue of a configuration: what a user wrote, with every default filled in.
import { parseDuration, parseRate, parseSize } from "../core/duration.ts";
import { SluiceError } from "../core/errors.ts";
import type { AddressOptions } from "../outbound/address-rule.ts";
import { defaultRetryPolicy, type RetryPolicy } from "../core/retry.ts";
import type { QueueConfig, QueueSettings, RetryConfig, RunSettings, WorkedQueue } from "./config.ts";
import { readTarget } from "./read-target.ts";
import { readScaling } from "./read-scaling.ts";
import { assertObject, read, readInteger, readOptional, wrong } from "./read-value.ts";

const queueFields = [
  "rate",
  "burst",
  "concurrency",
  "timeout",
  "resultMax",
  "retry",
  "backlogMax",
  "backlogBytesMax",
  "schema",
  "handle",
  "target",
  "transactional",
  "scaling",
];
const retryFields = ["attempts", "backoff", "backoffMax", "ageMax"];
const queueName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export interface QueuePlace {
  readonly name: string;
  readonly engine: "embedded" | "cluster";
  readonly targets: AddressOptions;
}

export function readQueue(place: QueuePlace, queue: QueueConfig): QueueSettings {
  const { name } = place;
  const at = (field: string): string => `queues.${name}.${field}`;
  if (!queueName.test(name))
    throw wrong("a queue's name", "is 1 to 63 letters, digits, dots, dashes or underscores", name);
  assertObject(`queues.${name}`, queue, queueFields);
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
    schema: queue.schema,
    isTransactional: readTransactional(place, queue),
    scaling: readScaling(at("scaling"), queue.scaling ?? {}),
    run: runSettings(place, queue),
  };
}

/** A queue that is to be worked on says what runs its requests. */
export function workedQueue(queue: QueueSettings): WorkedQueue {
  const { name, run } = queue;
  if (run === undefined) throw needsRun(name);
  return { ...queue, run };
}

function runSettings({ name, targets }: QueuePlace, { handle, target }: QueueConfig): RunSettings | undefined {
  if (handle === undefined && target === undefined) return undefined;
  if (typeof handle === "function" && target === undefined) return { kind: "handler", handle };
  if (typeof target === "string" && handle === undefined) return readTarget(`queues.${name}.target`, target, targets);
  throw needsRun(name);
}

function needsRun(name: string): SluiceError {
  return new SluiceError("bad-config", `queues.${name} needs one of handle (a function) and target (a URL)`);
}

function readTransactional({ name, engine }: QueuePlace, { transactional = false, target }: QueueConfig): boolean {
  const place = `queues.${name}.transactional`;
  if (typeof transactional !== "boolean") throw wrong(place, "must be true or false", transactional);
  if (!transactional) return false;
  if (engine === "embedded")
    throw wrong(place, "needs the cluster engine; the embedded engine cannot share its transaction", true);
  if (target !== undefined)
    throw wrong(place, "needs handle: what a target does is out of the transaction's reach", true);
  return true;
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
