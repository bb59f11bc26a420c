// Names of header fields, and lists of them that say which fields travel on. Pure.
import { SluiceError } from "./errors.ts";

/** RFC 9110, 7.6.1: fields of one connection, which nobody passes on. A Connection field names more of them. */
export const hopByHopNames: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Whether a list has a name; the name is in lower case. */
export type HeaderRule = (name: string) => boolean;

const patternsMax = 100;
const patternCharsMax = 200;
/** RFC 9110, 5.6.2, without the asterisk, which is a wildcard here. */
const namePart = /^[!#$%&'+.^_`|~0-9A-Za-z-]*$/;

/**
 * The rule of a list of names and patterns such as `x-github-*`, in any case; an asterisk is any text, also none. `place` names
 * the list in errors. Errors: `bad-config`.
 */
export function headerRule(patterns: readonly string[], place: string): HeaderRule {
  if (patterns.length > patternsMax) throw wrong(place, `has at most ${patternsMax} names, got ${patterns.length}`);
  const names = new Set<string>();
  const ends: (readonly [start: string, end: string])[] = [];
  for (const pattern of patterns) {
    const [start = "", end, more] = checkedPattern(pattern, place).split("*");
    if (more !== undefined) throw wrong(place, `takes one asterisk in a pattern, got ${JSON.stringify(pattern)}`);
    if (end === undefined) names.add(start);
    else ends.push([start, end]);
  }
  return (name) => names.has(name) || ends.some((pair) => fits(name, pair));
}

function fits(name: string, [start, end]: readonly [string, string]): boolean {
  return name.length >= start.length + end.length && name.startsWith(start) && name.endsWith(end);
}

function checkedPattern(pattern: string, place: string): string {
  const isRight = pattern !== "" && pattern.length <= patternCharsMax && namePart.test(pattern.replaceAll("*", ""));
  if (isRight) return pattern.toLowerCase();
  const shown = JSON.stringify(pattern.slice(0, patternCharsMax));
  throw wrong(place, `takes header names and patterns such as "x-github-*", got ${shown}`);
}

function wrong(place: string, rule: string): SluiceError {
  return new SluiceError("bad-config", `${place} ${rule}`);
}

/** The names that the Connection fields of a message add to the hop-by-hop ones; undefined when there are none. */
export function connectionNames(rawHeaders: readonly string[]): ReadonlySet<string> | undefined {
  let names: Set<string> | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length !== 10 || name.toLowerCase() !== "connection") continue;
    const value = (rawHeaders[at + 1] as string).toLowerCase();
    if (value === "keep-alive" || value === "close") continue; // what nearly all say
    names ??= new Set();
    for (const option of value.split(",")) names.add(option.trim());
  }
  return names;
}

/** Of names and values together: more is not kept with a request. */
export const keptHeadersBytesMax = 16 * 1024;

/** Fields of the message as it came, which are kept apart or not at all; what each call sets; what the sender says to Sluice. */
const neverKept: ReadonlySet<string> = new Set([
  ...hopByHopNames,
  "content-length",
  "content-type",
  "expect",
  "host",
  "idempotency-key",
  "prefer",
]);

export function isNeverKept(name: string): boolean {
  return neverKept.has(name) || name.startsWith("sluice-");
}

export const notKeptRule = "Sluice sets it itself, or it belongs to one connection";

const headerName = /^[!#$%&'*+.^_`|~0-9a-z-]{1,256}$/;
/** What can be sent without harm: no control characters, and nothing beyond Latin-1. */
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** In lower case. */
export function isHeaderName(name: string): boolean {
  return headerName.test(name) && name !== "__proto__";
}

export function isHeaderValue(value: string): boolean {
  return headerValue.test(value);
}
