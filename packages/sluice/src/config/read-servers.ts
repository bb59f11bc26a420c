// Where a cluster's servers are. The addresses hold passwords: no error shows more of them than the scheme.
import { SluiceError } from "../core/errors.ts";
import { wrong } from "../core/setting.ts";
import { nodesOf, redisPlaceOf } from "../core/server-url.ts";
import type { ClusterConfig } from "./config.ts";
import type { Overrides } from "./overrides.ts";
import type { ServerSettings } from "./settings.ts";
import { assertObject } from "./read-value.ts";
import { readSecret, type Environment } from "./secret.ts";

interface Place {
  readonly field: "databaseUrl" | "amqpUrl" | "redisUrl";
  readonly flag: string;
  readonly variable: string;
  readonly schemes: readonly string[];
  readonly example: string;
}

const database: Place = {
  field: "databaseUrl",
  flag: "--database-url",
  variable: "DATABASE_URL",
  schemes: ["postgres:", "postgresql:"],
  example: "postgres://user:password@host:5432/database",
};
const broker: Place = {
  field: "amqpUrl",
  flag: "--amqp-url",
  variable: "AMQP_URL",
  schemes: ["amqp:", "amqps:"],
  example: "amqp://user:password@host:5672",
};
const cache: Place = {
  field: "redisUrl",
  flag: "--redis-url",
  variable: "REDIS_URL",
  schemes: ["redis:", "rediss:", "redis+sentinel:", "rediss+sentinel:"],
  example: "redis://host:6379",
};
const clusterFields = ["databaseUrl", "amqpUrl", "redisUrl", "prefix"];
const prefixRule = /^[a-z0-9-]{1,32}$/;

export interface ServerSources {
  readonly file: ClusterConfig | undefined;
  readonly overrides: Overrides;
  /** For the secrets, which the flags' own reading of the environment does not know. */
  readonly env: Environment;
}

/** Errors: `bad-config`, naming the flag, the variable and the rule. */
export function readServers(sources: ServerSources): ServerSettings {
  const { file = {}, overrides } = sources;
  assertObject("cluster", file, clusterFields);
  const urls = [database, broker, cache].map((place) => ({ place, url: urlOf(place, sources) }));
  const missing = urls.filter(({ url }) => url === undefined).map(({ place }) => place);
  if (missing.length > 0) throw untold(missing);
  const [databaseUrl, amqpUrl, redisUrl] = urls.map(({ url }) => url as string) as [string, string, string];
  const prefix: unknown = overrides.prefix ?? file.prefix ?? "sluice";
  if (typeof prefix !== "string" || !prefixRule.test(prefix))
    throw wrong("prefix", "is 1 to 32 of a to z, 0 to 9 and dashes", prefix);
  return { databaseUrl, amqpUrl, redisUrl, prefix };
}

function urlOf(place: Place, { file, overrides, env }: ServerSources): string | undefined {
  const { field, flag, variable } = place;
  const given = [
    { from: flag, read: () => overrides[field] },
    { from: variable, read: () => readSecret(variable, env) },
    { from: `cluster.${field}`, read: () => file?.[field] },
  ];
  for (const { from, read } of given) {
    const url = read();
    if (url !== undefined) return checked(url, { place, from });
  }
  return undefined;
}

function checked(url: unknown, { place, from }: { readonly place: Place; readonly from: string }): string {
  const rule = `${from} must be a URL such as ${place.example}`;
  const nodes = nodesOf(typeof url === "string" ? url : "", `${rule}: it`);
  const { protocol } = new URL(nodes[0] as string);
  if (typeof url !== "string" || !place.schemes.includes(protocol))
    throw new SluiceError("bad-config", `${rule}: it begins with ${protocol}`);
  if (place === cache) for (const node of nodes) redisPlaceOf(node, `${rule}: it`);
  return url;
}

function untold(missing: readonly Place[]): SluiceError {
  const hints = missing.map(({ flag, variable, example }) => `${flag} or ${variable} (${example})`);
  return new SluiceError("bad-config", `not told where the servers are: give ${hints.join(", ")}`);
}
