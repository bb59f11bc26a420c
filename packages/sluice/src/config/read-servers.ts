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

/** RabbitMQ and Redis are optional. Errors: `bad-config`, naming the flag, the variable and the rule. */
export function readServers(sources: ServerSources): ServerSettings {
  const { file = {}, overrides } = sources;
  assertObject("cluster", file, clusterFields);
  const databaseUrl = readDatabaseUrl(sources);
  const [amqpUrl, redisUrl] = [urlOf(broker, sources), urlOf(cache, sources)];
  const prefix: unknown = overrides.prefix ?? file.prefix ?? "sluice";
  if (typeof prefix !== "string" || !prefixRule.test(prefix))
    throw wrong("prefix", "is 1 to 32 of a to z, 0 to 9 and dashes", prefix);
  return { databaseUrl, amqpUrl, redisUrl, prefix };
}

/** For what needs PostgreSQL alone: what is said of the others is not read. Errors: as of `readServers`. */
export function readDatabaseUrl(sources: ServerSources): string {
  const url = urlOf(database, sources);
  if (url !== undefined) return url;
  const { flag, variable, example } = database;
  const others = `${broker.variable} and ${cache.variable} are optional`;
  throw new SluiceError(
    "bad-config",
    `a cluster needs PostgreSQL: give ${flag} or ${variable} (${example}). ${others}`,
  );
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
