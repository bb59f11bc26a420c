// Which headers of a front request are stored with it, and travel on to a handler or to B.
import { SluiceError } from "../../core/errors.ts";
import { connectionNames, headerRule, hopByHopNames, type HeaderRule } from "../../core/header-names.ts";
import { isForwardedName } from "./forwarded.ts";

/** Of names and values together. */
export const keptBytesMax = 16 * 1024;

/** Fields of the message as it came here. The type is stored beside the body. */
const ofThisMessage = ["host", "content-length", "content-type", "expect"];
/** What each call of a target sets, and what the sender says to Sluice. */
const ofSluice = ["idempotency-key", "prefer"];
const neverKept: ReadonlySet<string> = new Set([...hopByHopNames, ...ofThisMessage, ...ofSluice]);
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
    if (!isNeverKept(name)) continue;
    throw new SluiceError(
      "bad-config",
      `${place} cannot keep ${name}: Sluice sets it, or it belongs to one connection`,
    );
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
    if (isNeverKept(name) || ofConnection?.has(name) || !rule(name)) continue;
    const value = rawHeaders[at + 1] as string;
    const before = kept[name];
    bytes += value.length + (before === undefined ? name.length : 2);
    kept[name] = before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`;
  }
  if (bytes <= keptBytesMax) return kept;
  throw new SluiceError("headers-too-large", `headers that are kept have at most ${keptBytesMax} bytes, got ${bytes}`);
}

function isNeverKept(name: string): boolean {
  return neverKept.has(name) || name.startsWith("sluice-") || isForwardedName(name);
}
