// Which route of the front a request belongs to: the most specific one that matches its method and path.
//
// Specific is decided segment by segment: text before text with a group in it, that before a name (`:id`), a name before an
// asterisk. Of two that are equal so far the longer one comes first, then the one with a method.
//
// Paths are compared in the normal form of RFC 3986, 6.2.2, so `/%68ooks` is `/hooks`. Servers read much more into a path:
// `/Hooks/`, `//hooks` and `/hooks;x` are `/hooks` to some. A sender could choose such a text to reach B past a route that
// verifies, by another one. So the routes are read as loosely as a server might, too: a path is undecided when its loosest reading
// belongs to another route than the path itself. A route that names the path exactly decides it. Where all routes are alike,
// nothing is ever undecided.
import { METHODS } from "node:http";
import { SluiceError } from "../../core/errors.ts";
import { loosePath, loosePaths, nameMark, patternTexts, starMark, textMatcher } from "./route-pattern.ts";
import { normalPath } from "./request-target.ts";

export type RouteMatch =
  | { readonly kind: "route"; readonly index: number }
  | { readonly kind: "no-path" }
  /** The path has routes, none of them for this method. */
  | { readonly kind: "no-method"; readonly allow: readonly string[] }
  /** B may read the path as that of another route, or in too many ways: 400. */
  | { readonly kind: "undecided"; readonly index: number; readonly other: number };

export interface RouteTable {
  /** The path is that of `requestTarget`. */
  match(method: string, path: string): RouteMatch;
}

const routesMax = 1_000;
const nameCharsMax = 500;
/** CONNECT has no path; TRACE would show what only B may see. */
const methods: ReadonlySet<string> = new Set(METHODS.filter((method) => method !== "CONNECT" && method !== "TRACE"));

/** One text of a route's pattern. */
interface Entry {
  readonly index: number;
  readonly method: string | undefined;
  readonly text: string;
  readonly segments: readonly Segment[];
  readonly matches: (path: string) => boolean;
  readonly matchesLoosely: (path: string) => boolean;
}

interface Segment {
  readonly rank: number;
  readonly literalChars: number;
}

export interface RouteTableOptions {
  /**
   * Whether route `index` may take what B could read as a request of route `other`: they verify alike, or `other` verifies nothing.
   * Only of the same route unless given.
   */
  readonly mayTake?: (index: number, other: number) => boolean;
}

/** Names are `POST /hooks/github`, `/api/*`. Errors: `bad-config`, naming the routes. */
export function routeTable(names: readonly string[], options: RouteTableOptions = {}): RouteTable {
  const { mayTake = (index, other) => index === other } = options;
  if (names.length > routesMax)
    throw new SluiceError("bad-config", `a front has at most ${routesMax} routes, got ${names.length}`);
  const entries = names.flatMap(entriesOf).toSorted(bySpecificity);
  refuseDuplicates(entries, names);
  const patterns = entries.filter(({ text }) => hasGroup(text));
  const exact = entries.filter(({ text }) => !hasGroup(text));
  const exactly = Map.groupBy(exact, ({ text }) => text);
  const loosely = Map.groupBy(exact, ({ text }) => loosePath(text));
  const isAlike = names.every((_, index) => names.every((_, other) => mayTake(index, other)));
  return {
    match(method, path): RouteMatch {
      const isFor = (entry: Entry): boolean => entry.method === undefined || entry.method === method;
      const normal = normalPath(path);
      const same = exactly.get(normal)?.find(isFor);
      if (same !== undefined) return { kind: "route", index: same.index }; // a route that names it says all
      const found = patterns.find((entry) => isFor(entry) && entry.matches(normal));
      if (found === undefined) return noRoute([...(exactly.get(normal) ?? []), ...patterns], normal);
      const { index } = found;
      if (isAlike) return { kind: "route", index };
      const readings = readingsOf(path);
      if (readings === undefined) return { kind: "undecided", index, other: index };
      for (const { reading, isStretched } of readings) {
        const isRead = (entry: Entry): boolean => isFor(entry) && entry.matchesLoosely(reading);
        const other = loosely.get(reading)?.find(isFor) ?? patterns.find(isRead);
        if (other === undefined || mayTake(index, other.index)) continue;
        // Of two routes that the reading has, and of a reading that few servers share, only a more specific route counts.
        if ((isStretched || isRead(found)) && bySpecificity(other, found) >= 0) continue;
        return { kind: "undecided", index, other: other.index };
      }
      return { kind: "route", index };
    },
  };
}

interface Reading {
  readonly reading: string;
  readonly isStretched: boolean;
}

/** Each also without a slash at its end, or with one. */
function readingsOf(path: string): readonly Reading[] | undefined {
  return loosePaths(path)?.flatMap((reading) => {
    const hasSlash = reading.endsWith("/") && reading !== "/";
    const other = hasSlash ? reading.slice(0, -1) : `${reading}/`;
    return [
      { reading, isStretched: false },
      { reading: other, isStretched: !hasSlash },
    ];
  });
}

function noRoute(entries: readonly Entry[], path: string): RouteMatch {
  const allow = new Set<string>();
  for (const { method, matches } of entries) if (method !== undefined && matches(path)) allow.add(method);
  return allow.size === 0 ? { kind: "no-path" } : { kind: "no-method", allow: [...allow].toSorted() };
}

function entriesOf(name: string, index: number): readonly Entry[] {
  if (name.length > nameCharsMax)
    throw new SluiceError("bad-config", `the route ${name.slice(0, 50)}… has more than ${nameCharsMax} characters`);
  const [, method, pathname] = /^(?:([^/\s]+) )?(\/\S*)$/.exec(name) ?? [];
  if (pathname === undefined)
    throw new SluiceError(
      "bad-config",
      `a route is a path, or a method and a path, as "POST /orders", got ${JSON.stringify(name)}`,
    );
  if (method !== undefined && !methods.has(method))
    throw new SluiceError(
      "bad-config",
      `the route ${JSON.stringify(name)} has no method that is known: write it as in POST`,
    );
  return patternTexts(pathname, name).map((text) => ({
    index,
    method,
    text,
    segments: text.split("/").map(segmentOf),
    matches: textMatcher(text),
    matchesLoosely: textMatcher(loosePath(text)),
  }));
}

function refuseDuplicates(entries: readonly Entry[], names: readonly string[]): void {
  const first = new Map<string, Entry>();
  for (const entry of entries) {
    const key = `${entry.method ?? ""} ${entry.text}`;
    const before = first.get(key);
    if (before === undefined) first.set(key, entry);
    else if (before.index !== entry.index) {
      const both = [before, entry].map(({ index }) => JSON.stringify(names[index]));
      throw new SluiceError("bad-config", `the routes ${both.join(" and ")} match the same requests`);
    }
  }
}

function segmentOf(segment: string): Segment {
  const literalChars = segment.length - (hasGroup(segment) ? 1 : 0);
  if (segment.includes(starMark)) return { rank: 3, literalChars };
  if (!segment.includes(nameMark)) return { rank: 0, literalChars: 0 };
  return { rank: literalChars > 0 ? 1 : 2, literalChars };
}

/** Negative when `a` is more specific; 0 when neither is. */
function bySpecificity(a: Entry, b: Entry): number {
  for (const [at, segment] of a.segments.entries()) {
    const other = b.segments[at];
    if (other === undefined) break;
    if (segment.rank !== other.rank) return segment.rank - other.rank;
    if (segment.literalChars !== other.literalChars) return other.literalChars - segment.literalChars;
  }
  if (a.segments.length !== b.segments.length) return b.segments.length - a.segments.length;
  return Number(a.method === undefined) - Number(b.method === undefined);
}

function hasGroup(text: string): boolean {
  return text.includes(nameMark) || text.includes(starMark);
}
