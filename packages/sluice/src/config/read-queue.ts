// One queue of a configuration: what a user wrote, with every default filled in.
import { callbackQueue } from "../core/callback.ts";
import { SluiceError } from "../core/errors.ts";
import { wrong } from "../core/setting.ts";
import type { WebhookSecret } from "../core/webhook-signature.ts";
import type { AddressOptions } from "../outbound/address-rule.ts";
import type { QueueConfig } from "./config.ts";
import type { QueueSettings, RunSettings, WorkedQueue } from "./settings.ts";
import { readCallback } from "./read-callbacks.ts";
import { readQueueFields } from "./read-queue-fields.ts";
import { readTarget } from "./read-target.ts";
import { assertObject } from "./read-value.ts";
import type { Environment } from "./secret.ts";

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
  "callback",
  "order",
  "groups",
  "priorities",
  "scaling",
];
const queueName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

const auto = "auto";
/** As many connections to one target are enough, and few targets want more. */
const autoConcurrencyMax = 1_000;

export interface QueuePlace {
  readonly name: string;
  readonly engine: "embedded" | "cluster";
  readonly targets: AddressOptions;
  readonly env: Environment;
  readonly callbackAddresses: AddressOptions;
  /** For every queue that has none of its own. */
  readonly callbackSecrets: readonly WebhookSecret[];
}

export function readQueue(place: QueuePlace, queue: QueueConfig): QueueSettings {
  const { name, callbackAddresses: addresses, callbackSecrets } = place;
  const at = (field: string): string => `queues.${name}.${field}`;
  if (!queueName.test(name))
    throw wrong("a queue's name", "is 1 to 63 letters, digits, dots, dashes or underscores", name);
  if (name === callbackQueue) throw wrong("a queue's name", "is not that of the callbacks' own queue", name);
  assertObject(`queues.${name}`, queue, queueFields);
  const isAuto = queue.rate === auto || queue.concurrency === auto;
  if (isAuto && queue.handle !== undefined)
    throw new SluiceError("bad-config", `queues.${name}: "${auto}" measures a target, and this queue has a handler`);
  return {
    ...readQueueFields(name, isAuto ? bounded(queue) : queue, { at }),
    isAuto,
    schema: readSchema(at("schema"), queue.schema),
    isTransactional: readTransactional(place, queue),
    callback: readCallback(at("callback"), queue.callback, { secretsForAll: callbackSecrets, addresses }),
    run: runSettings(place, queue),
  };
}

/** What remains fixed beside "auto": a rate stays one, and a number is the most that run at once. */
function bounded({ rate, concurrency, ...queue }: QueueConfig): QueueConfig {
  return {
    ...queue,
    ...(rate !== auto && { rate }),
    concurrency: concurrency === undefined || concurrency === auto ? autoConcurrencyMax : concurrency,
  };
}

function readSchema(place: string, schema: unknown): object | undefined {
  if (schema === undefined) return undefined;
  if (typeof schema !== "object" || schema === null || Array.isArray(schema))
    throw wrong(place, "must be a JSON Schema, an object", schema);
  return schema;
}

/** A queue that is to be worked on says what runs its requests. */
export function workedQueue(queue: QueueSettings): WorkedQueue {
  const { name, run } = queue;
  if (run === undefined) throw needsRun(name);
  return { ...queue, run };
}

function runSettings(
  { name, targets: addresses, env }: QueuePlace,
  { handle, target }: QueueConfig,
): RunSettings | undefined {
  if (handle === undefined && target === undefined) return undefined;
  if (typeof handle === "function" && target === undefined) return { kind: "handler", handle };
  if (target === undefined || handle !== undefined) throw needsRun(name);
  return { kind: "target", target: readTarget(`queues.${name}.target`, target, { addresses, env }) };
}

function needsRun(name: string): SluiceError {
  return new SluiceError("bad-config", `queues.${name} needs one of handle (a function) and target (a URL)`);
}

function readTransactional(
  { name, engine }: Pick<QueuePlace, "name" | "engine">,
  { transactional = false, target }: QueueConfig,
): boolean {
  const place = `queues.${name}.transactional`;
  if (typeof transactional !== "boolean") throw wrong(place, "must be true or false", transactional);
  if (!transactional) return false;
  if (engine === "embedded")
    throw wrong(place, "needs the cluster engine; the embedded engine cannot share its transaction", true);
  if (target !== undefined)
    throw wrong(place, "needs handle: what a target does is out of the transaction's reach", true);
  return true;
}
