// Where each declared setting of the configuration is written, and what it becomes once read.
import {
  callbacksRetrySettings,
  callbacksSettings,
  fileSettings,
  queueSettings,
  retrySettings,
  scalingSettings,
} from "../../../packages/sluice/src/config/declared-settings.ts";
import { readUp } from "../../../packages/sluice/src/config/read-settings.ts";
import type { SluiceConfig } from "../../../packages/sluice/src/config/config.ts";
import type { Setting } from "../../../packages/sluice/src/core/setting.ts";

export interface Place {
  /** As errors name it. */
  readonly name: string;
  readonly setting: Setting;
  /** Reads a file that says this. Throws as the start of `sluice up` does. */
  readonly read: (value: unknown) => object;
}

type Fields = Readonly<Record<string, unknown>>;
type Settings = Readonly<Record<string, Setting>>;

const target = "http://127.0.0.1:9/";
const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

/** The real reader, for whatever a file says. */
export function readFile(config: unknown): ReturnType<typeof readUp> {
  return readUp({ file: config as SluiceConfig, overrides: {}, env: {} });
}

export function withQueue(queue: Fields, more: Fields = {}): Fields {
  return { queues: { orders: { target, ...queue } }, ...more };
}

export const places: readonly Place[] = [
  ...placesOf("", fileSettings, (fields) => withQueue({}, fields)),
  ...placesOf("queues.orders.", queueSettings, (fields) => withQueue(fields)),
  ...placesOf("queues.orders.retry.", retrySettings, (retry) => withQueue({ retry })),
  ...placesOf("queues.orders.scaling.", scalingSettings, (scaling) => withQueue({ scaling })),
  ...placesOf("callbacks.", callbacksSettings, (fields) => withQueue({}, { callbacks: { secret, ...fields } })),
  ...placesOf("callbacks.retry.", callbacksRetrySettings, (retry) => withQueue({}, { callbacks: { secret, retry } })),
];

/** What has to be said beside a setting so that its whole range makes sense. */
const beside: Fields = { backoffMax: { backoff: "1ms" } };

function placesOf(prefix: string, settings: Settings, file: (fields: Fields) => Fields): readonly Place[] {
  return Object.entries(settings).map(([field, setting]) => ({
    name: `${prefix}${field}`,
    setting,
    read: (value) => readFile(file({ ...(beside[field] as Fields | undefined), [field]: value })),
  }));
}
