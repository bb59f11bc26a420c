// Overrides before the file before defaults. Every wrong value is named with its place and its rule.
import { isIPv4 } from "node:net";
import { parseDuration, parseRate, parseSize } from "../core/duration.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import { defaultRetryPolicy, type RetryPolicy } from "../core/retry.ts";
import type {
  Overrides,
  QueueConfig,
  QueueSettings,
  RetryConfig,
  RunSettings,
  Settings,
  SluiceConfig,
} from "./config.ts";

const fileFields = ["queues", "data", "host", "port", "retention", "bodyMax", "diskFreeMin", "grace"];
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
];
const retryFields = ["attempts", "backoff", "backoffMax", "ageMax"];
const queueName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Errors: `bad-config`, naming the setting, the rule and the value found. */
export function readSettings(file: SluiceConfig | undefined, overrides: Overrides): Settings {
  if (file !== undefined) assertObject("the configuration", file, fileFields);
  const queues = queuesOf(file, overrides);
  const host = overrides.host ?? file?.host ?? "127.0.0.1";
  assertLoopback(host);
  return {
    data: overrides.data ?? file?.data ?? "./data",
    host,
    port: readInteger("port", overrides.port ?? file?.port ?? 8080, { least: 0, most: 65_535 }),
    retentionMs: read("retention", parseDuration, overrides.retention ?? file?.retention ?? "7d"),
    bodyBytesMax: read("bodyMax", parseSize, overrides.bodyMax ?? file?.bodyMax ?? "1MiB"),
    diskFreeMin: readOptional("diskFreeMin", parseSize, overrides.diskFreeMin ?? file?.diskFreeMin),
    graceMs: read("grace", parseDuration, overrides.grace ?? file?.grace ?? "25s"),
    queues: Object.entries(queues).map(([name, queue]) => queueSettings(name, queue)),
  };
}

function queuesOf(file: SluiceConfig | undefined, overrides: Overrides): Readonly<Record<string, QueueConfig>> {
  const { queue, target, rate, concurrency, timeout } = overrides;
  if (queue === undefined) {
    const lone = Object.entries({ target, rate, concurrency, timeout }).find(([, value]) => value !== undefined);
    if (lone !== undefined) throw wrong(`--${lone[0]}`, "goes with --queue NAME", lone[1]);
    const queues = file?.queues ?? {};
    if (Object.keys(queues).length > 0) return queues;
    throw new SluiceError("bad-config", "no queue: give --queue NAME --target URL, or a sluice.config.ts with queues");
  }
  const changes = {
    ...(target !== undefined && { target }),
    ...(rate !== undefined && { rate }),
    ...(timeout !== undefined && { timeout }),
    ...(concurrency !== undefined && { concurrency: Number(concurrency) }),
  };
  return { ...file?.queues, [queue]: { ...file?.queues?.[queue], ...changes } };
}

function queueSettings(name: string, queue: QueueConfig): QueueSettings {
  const at = (field: string): string => `queues.${name}.${field}`;
  if (!queueName.test(name))
    throw wrong("a queue's name", "is 1 to 63 letters, digits, dots, dashes or underscores", name);
  assertObject(`queues.${name}`, queue, queueFields);
  if (queue.transactional === true) {
    throw wrong(
      at("transactional"),
      "needs the cluster engine; the embedded engine cannot share its transaction",
      true,
    );
  }
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
    run: runSettings(name, queue),
  };
}

function runSettings(name: string, { handle, target }: QueueConfig): RunSettings {
  if (typeof handle === "function" && target === undefined) return { kind: "handler", handle };
  if (typeof target === "string" && handle === undefined) {
    const url = URL.canParse(target) ? new URL(target) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      throw wrong(`queues.${name}.target`, "must be an http or https URL", target);
    }
    return { kind: "target", url };
  }
  throw new SluiceError("bad-config", `queues.${name} needs one of handle (a function) and target (a URL)`);
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

/** Without API keys nobody but this machine may reach the gateway. */
function assertLoopback(host: string): void {
  const isLoopback = host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
  if (!isLoopback) throw wrong("host", "must be a loopback address while there are no API keys", host);
}

function assertObject(place: string, value: unknown, fields: readonly string[]): void {
  if (typeof value !== "object" || value === null) throw wrong(place, "must be an object", value);
  const unknown = Object.keys(value).find((field) => !fields.includes(field));
  if (unknown !== undefined) throw wrong(place, `knows the fields ${fields.join(", ")}`, unknown);
}

function readInteger(place: string, value: unknown, { least, most }: { least: number; most: number }): number {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isInteger(number) && number >= least && number <= most) return number;
  throw wrong(place, `must be an integer from ${least} to ${most}`, value);
}

function readOptional(place: string, parse: (text: string) => number, value: unknown): number | undefined {
  return value === undefined ? undefined : read(place, parse, value);
}

function read(place: string, parse: (text: string) => number, value: unknown): number {
  try {
    return parse(String(value));
  } catch (cause) {
    throw new SluiceError("bad-config", `${place}: ${messageOf(cause)}`, { cause });
  }
}

function wrong(place: string, rule: string, value: unknown): SluiceError {
  return new SluiceError("bad-config", `${place} ${rule}, got ${JSON.stringify(value) ?? String(value)}`);
}
