// The URL of a server that may have several nodes: `amqp://user:password@a:5672,b/vhost`, or whole URLs with commas between
// them. It may hold a password: no error shows any of it. Pure.
import { SluiceError } from "./errors.ts";

const defaultPorts: Readonly<Record<string, string>> = {
  "postgres:": "5432",
  "postgresql:": "5432",
  "amqp:": "5672",
  "amqps:": "5671",
  "redis:": "6379",
  "rediss:": "6379",
  "redis+sentinel:": "26379",
  "rediss+sentinel:": "26379",
};

/** More than a cluster has. A client tries each of them in turn. */
export const nodesMax = 64;

/** A comma before `scheme://`: inside a host it would be followed by a port, and a login has no slash. */
const betweenUrls = /,(?=[a-z][a-z0-9+.-]*:\/\/)/i;
const parts = /^(?<scheme>[a-z][a-z0-9+.-]*:)\/\/(?<login>[^/?#]*@)?(?<hosts>[^/?#]*)(?<rest>.*)$/is;

/**
 * One URL for each node, in the order given, each with the login, path and parameters of the URL that names it. Errors:
 * `bad-config`, which begins with `what`.
 */
export function nodesOf(url: string, what = "a server's URL"): readonly string[] {
  const nodes = url
    .trim()
    .split(betweenUrls)
    .flatMap((one) => nodesOfOne(one, what));
  if (nodes.length > nodesMax) throw refused(what, `names ${nodes.length} hosts, more than ${nodesMax}`);
  const schemes = new Set(nodes.map((node) => parsed(node, what).protocol));
  if (schemes.size > 1) throw refused(what, "mixes schemes");
  return nodes;
}

/** `host:port`, with commas between several: what may be shown of a server's URL. */
export function addressOf(url: string): string {
  const addresses = nodesOf(url).map((node) => {
    const { hostname, port, protocol } = new URL(node);
    return `${hostname}:${port || (defaultPorts[protocol] ?? "")}`;
  });
  return addresses.join(", ");
}

export interface RedisPlace {
  /** The name that Sentinels know the primary under; undefined when the URL is that of Redis itself. */
  readonly primary: string | undefined;
  readonly database: number;
}

/** What one node's URL of Redis asks for: `redis://host/0`, `redis+sentinel://host/mymaster/0`. Errors: `bad-config`. */
export function redisPlaceOf(node: string, what = "the URL of Redis"): RedisPlace {
  const { protocol, pathname } = parsed(node, what);
  const [, ...segments] = pathname.split("/");
  const primary = protocol.endsWith("+sentinel:") ? (segments.shift() ?? "") : undefined;
  if (primary !== undefined && !/^[\w.-]+$/.test(primary))
    throw refused(what, "has no name of a primary, as in redis+sentinel://host/mymaster");
  const [database = "", ...more] = segments;
  if (!/^\d{0,5}$/.test(database) || more.length > 0) throw refused(what, "has a path that is no number of a database");
  return { primary, database: Number(database) };
}

function nodesOfOne(url: string, what: string): readonly string[] {
  const { scheme, login = "", hosts = "", rest = "" } = parts.exec(url)?.groups ?? {};
  if (scheme === undefined) throw refused(what, "does not parse");
  const names = hosts.split(",");
  // The only host may be empty: it is the client's default, such as a socket.
  if (names.length > 1 && names.some((name) => name === "" || name.startsWith(":")))
    throw refused(what, "has an empty host");
  const nodes = names.map((name) => `${scheme}//${login}${name}${rest}`);
  if (nodes.some((node) => parsed(node, what).port === "0")) throw refused(what, "has a port that is not 1 to 65535");
  return nodes;
}

function parsed(url: string, what: string): URL {
  const found = URL.parse(url);
  if (found === null) throw refused(what, "does not parse");
  return found;
}

function refused(what: string, why: string): SluiceError {
  return new SluiceError("bad-config", `${what} ${why}`);
}
