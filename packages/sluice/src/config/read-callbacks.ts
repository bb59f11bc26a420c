// Callbacks of a configuration: who signs them, and the queue that makes them.
import { callbackQueue, parseCallbackUrl } from "../core/callback.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import { wrong } from "../core/setting.ts";
import { parseWebhookSecret, type WebhookSecret } from "../core/webhook-signature.ts";
import { addressRule, refusalOfUrl, type AddressOptions } from "../outbound/address-rule.ts";
import type { CallbackConfig, CallbacksConfig, QueueConfig } from "./config.ts";
import type { CallbackSettings, QueueSettings, WorkedQueue } from "./settings.ts";
import { callbacksRetrySettings, callbacksSettings } from "./declared-settings.ts";
import { readQueueFields } from "./read-queue-fields.ts";
import { assertObject, readTexts } from "./read-value.ts";
import { readSecret, type Environment } from "./secret.ts";

const callbacksFields = ["secret", "allow", "rate", "concurrency", "timeout", "retry"];
const callbackFields = ["url", "secret"];
const secretVariable = "SLUICE_CALLBACK_SECRET";
const allowVariable = "SLUICE_CALLBACK_ALLOW";

const defaults = {
  concurrency: Number(callbacksSettings.concurrency.default),
  timeout: callbacksSettings.timeout.default,
  resultMax: "64KiB",
} as const satisfies QueueConfig;

export interface CallbackSources {
  readonly file: CallbacksConfig | undefined;
  readonly env: Environment;
}

interface CallbackDefaults {
  readonly secretsForAll: readonly WebhookSecret[];
  /** Where callbacks may go. */
  readonly addresses: AddressOptions;
}

/**
 * Where callbacks may go: a private address is not allowed because a target is. The environment before the file. Errors:
 * `bad-config`.
 */
export function readCallbackAddresses({ file = {}, env }: CallbackSources, targets: AddressOptions): AddressOptions {
  assertObject("callbacks", file, callbacksFields);
  const given = (env[allowVariable] || undefined)?.split(",").map((entry) => entry.trim());
  const allow = given ?? (file.allow === undefined ? undefined : readTexts("callbacks.allow", file.allow));
  const addresses = { ...targets, allow, of: "callbacks" } as const;
  addressRule(addresses); // so that a wrong one is told even where no queue has callbacks
  return addresses;
}

/** Those for every queue without some of its own: the environment before the file. Errors: `bad-config`. */
export function readCallbackSecrets({ file = {}, env }: CallbackSources): readonly WebhookSecret[] {
  assertObject("callbacks", file, callbacksFields);
  const given = readSecret(secretVariable, env);
  if (given !== undefined) return readWebhookSecrets(secretVariable, given.split(/\s+/));
  return file.secret === undefined ? [] : readWebhookSecrets("callbacks.secret", file.secret);
}

/** The callbacks of one queue; undefined where nothing could sign them. Errors: `bad-config`. */
export function readCallback(
  place: string,
  callback: CallbackConfig | undefined,
  { secretsForAll, addresses }: CallbackDefaults,
): CallbackSettings | undefined {
  if (callback !== undefined) assertObject(place, callback, callbackFields);
  const { url: text, secret } = callback ?? {};
  const secrets = secret === undefined ? secretsForAll : readWebhookSecrets(`${place}.secret`, secret);
  const rule = addressRule(addresses);
  const refusalOf = (url: URL): SluiceError | undefined => refusalOfUrl(url, rule);
  const url = text === undefined ? undefined : urlOf(`${place}.url`, text, refusalOf);
  if (secrets.length > 0) return { url, secrets, refusalOf };
  if (callback === undefined) return undefined;
  throw new SluiceError("bad-config", `${place} needs a secret: its own, callbacks.secret or ${secretVariable}`);
}

/** The callbacks' own queue; undefined where no queue has callbacks. */
export function readCallbackQueue(
  { file = {} }: CallbackSources,
  queues: readonly QueueSettings[],
  { secretsForAll, addresses }: CallbackDefaults,
): WorkedQueue | undefined {
  if (queues.every(({ callback }) => callback === undefined)) return undefined;
  const secretsByQueue = new Map(queues.map(({ name, callback }) => [name, callback?.secrets ?? []]));
  const { secret: _, allow: __, ...fields } = file;
  const config: QueueConfig = { ...defaults, ...fields };
  return {
    ...readQueueFields(callbackQueue, config, { at: (field) => `callbacks.${field}`, retry: callbacksRetrySettings }),
    schema: undefined,
    isAuto: false,
    isTransactional: false,
    callback: undefined,
    run: {
      kind: "callbacks",
      secretsOf: (queue) => secretsByQueue.get(queue) ?? secretsForAll,
      rule: addressRule(addresses),
    },
  };
}

/** Errors: `bad-config`, without the secret. */
export function readWebhookSecrets(place: string, given: string | readonly string[]): readonly WebhookSecret[] {
  const texts = typeof given === "string" ? [given] : given;
  const isList =
    Array.isArray(texts) && texts.length > 0 && Array.from(texts).every((text) => typeof text === "string");
  if (!isList) throw wrong(place, "is a secret or a list of secrets", typeof given); // and not what it is: it may be one
  return texts.map((text) => {
    try {
      return parseWebhookSecret(text);
    } catch (cause) {
      throw new SluiceError("bad-config", `${place}: ${messageOf(cause)}`, { cause });
    }
  });
}

function urlOf(place: string, text: string, refusalOf: CallbackSettings["refusalOf"]): string {
  try {
    const url = parseCallbackUrl(text);
    const refusal = refusalOf(url);
    if (refusal !== undefined) throw refusal;
    return url.href;
  } catch (cause) {
    throw new SluiceError("bad-config", `${place}: ${messageOf(cause)}`, { cause });
  }
}
