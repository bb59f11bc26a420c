// Which headers of a front request are stored with it, and travel on to a handler or to B.
import { SluiceError } from "../../core/errors.ts";
import {
  connectionNames,
  headerRule,
  isNeverKept,
  keptHeadersBytesMax,
  notKeptRule,
  type HeaderRule,
} from "../../core/header-names.ts";
import { isForwardedName } from "./forwarded.ts";

/** What would let others act for the sender. A route keeps it only by its exact name. */
const secrets: ReadonlySet<string> = new Set(["authorization", "proxy-authorization", "cookie"]);

/**
 * A route's `headers` as a rule; without them all are kept but the secrets. A pattern never includes a secret. Errors:
 * `bad-config`, also for a name that is never kept.
 */
export function keptHeaderRule(patterns: readonly string[] | undefined, place = "headers"): HeaderRule {
  if (patterns === undefined) return (name) => !secrets.has(name);
  const has = headerRule(patterns, place);
  const named = new Set(patterns.map((pattern) => pattern.toLowerCase()));
  for (const name of named) {
    if (!isDropped(name)) continue;
    throw new SluiceError("bad-config", `${place} cannot keep ${name}: ${notKeptRule}`);
  }
  return (name) => has(name) && (!secrets.has(name) || named.has(name));
}

/**
 * The headers to store, by lower-case name; fields of one name are joined as RFC 9110, 5.3 says. The object has no prototype: a
 * sender may call a field `constructor`. `rawHeaders` are Node's: bytes as latin1. Errors: `headers-too-large`.
 */
export function keptHeaders(rule: HeaderRule, rawHeaders: readonly string[]): Readonly<Record<string, string>> {
  const ofConnection = connectionNames(rawHeaders);
  const kept: Record<string, string> = { __proto__: null } as never;
  let bytes = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    if (isDropped(name) || ofConnection?.has(name) || !rule(name)) continue;
    const value = rawHeaders[at + 1] as string;
    const before = kept[name];
    bytes += value.length + (before === undefined ? name.length : 2);
    kept[name] = before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`;
  }
  if (bytes <= keptHeadersBytesMax) return kept;
  throw new SluiceError(
    "headers-too-large",
    `headers that are kept have at most ${keptHeadersBytesMax} bytes, got ${bytes}`,
  );
}

function isDropped(name: string): boolean {
  return isNeverKept(name) || isForwardedName(name);
}
