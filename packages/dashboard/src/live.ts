// What the page knows, and how each event changes it. Pure.
import type { WireAuditEvent, WireFailure, WireHistoryEvent, WireOverviewEvent } from "@sluice/client";

/** What was seen of a queue, the oldest first; null where nobody looked for a while. */
export interface Curve {
  readonly at: readonly number[];
  readonly backlog: readonly (number | null)[];
  readonly accepted: readonly (number | null)[];
  readonly finished: readonly (number | null)[];
}

export type Link =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  /** The gateway went away; what is shown is from then. */
  | { readonly kind: "gone"; readonly sinceMs: number; readonly retryAtMs: number }
  /** It asks for a key; `why` when it did not take the one it got. */
  | { readonly kind: "locked"; readonly why: string | undefined };

export interface Live {
  readonly link: Link;
  readonly overview: WireOverviewEvent | undefined;
  /** Why the gateway cannot read its store. */
  readonly unreadable: WireFailure | undefined;
  readonly audit: WireAuditEvent | undefined;
  readonly curves: ReadonlyMap<string, Curve>;
  /** How often the gateway came back. */
  readonly returns: number;
}

export type LiveEvent =
  | { readonly kind: "history"; readonly data: WireHistoryEvent }
  | { readonly kind: "overview"; readonly data: WireOverviewEvent }
  | { readonly kind: "audit"; readonly data: WireAuditEvent }
  | { readonly kind: "unreadable"; readonly data: WireFailure }
  | { readonly kind: "link"; readonly link: Link };

export const eventKinds: ReadonlySet<string> = new Set<LiveEvent["kind"]>([
  "history",
  "overview",
  "audit",
  "unreadable",
]);

export const nothingKnown: Live = {
  link: { kind: "connecting" },
  overview: undefined,
  unreadable: undefined,
  audit: undefined,
  curves: new Map(),
  returns: 0,
};

/** How far back the curves go. */
const curveMs = 15 * 60_000;
/** Between samples that are further apart nothing is drawn. */
const gapMs = 10_000;

export function reduce(live: Live, event: LiveEvent): Live {
  switch (event.kind) {
    case "history":
      return { ...live, curves: withHistory(live.curves, event.data) };
    case "overview":
      return { ...live, overview: event.data, unreadable: undefined, curves: extended(live.curves, event.data) };
    case "audit":
      return { ...live, audit: event.data };
    case "unreadable":
      return { ...live, unreadable: event.data };
    case "link":
      return { ...live, link: event.link, returns: live.returns + (isReturn(live.link, event.link) ? 1 : 0) };
    default:
      return event satisfies never;
  }
}

function isReturn(before: Link, after: Link): boolean {
  return before.kind === "gone" && after.kind === "live";
}

interface Sample {
  readonly at: number;
  readonly backlog: number;
  readonly accepted: number;
  readonly finished: number;
}

const emptyCurve: Curve = { at: [], backlog: [], accepted: [], finished: [] };

/** What this page saw itself stays: a gateway that was started again has no history. */
function withHistory(seen: ReadonlyMap<string, Curve>, { queues }: WireHistoryEvent): ReadonlyMap<string, Curve> {
  const curves = queues.map(({ queue, at, backlog, accepted, finished }): [string, Curve] => {
    const samples = at.map((time, index) => ({
      at: time,
      backlog: backlog[index] ?? 0,
      accepted: accepted[index] ?? 0,
      finished: finished[index] ?? 0,
    }));
    return [queue, samples.reduce(withSample, seen.get(queue) ?? emptyCurve)];
  });
  return new Map([...seen, ...curves]);
}

function extended(curves: ReadonlyMap<string, Curve>, { at, queues }: WireOverviewEvent): ReadonlyMap<string, Curve> {
  const time = Date.parse(at);
  const next = queues.map(({ name, backlog, rates }): [string, Curve] => {
    const sample = { at: time, backlog, accepted: rates.accepted.m1, finished: rates.finished.m1 };
    return [name, withSample(curves.get(name) ?? emptyCurve, sample)];
  });
  return new Map(next);
}

function withSample(curve: Curve, { at, backlog, accepted, finished }: Sample): Curve {
  const last = curve.at.at(-1);
  if (last !== undefined && at <= last) return curve;
  const gap = last !== undefined && at - last > gapMs ? last + 1 : undefined;
  const from = curve.at.findIndex((time) => time >= at - curveMs);
  const add = <T>(kept: readonly T[], value: T, hole: T): T[] => {
    const recent = from === -1 ? [] : kept.slice(from);
    return gap === undefined || recent.length === 0 ? [...recent, value] : [...recent, hole, value];
  };
  return {
    at: add(curve.at, at, gap ?? at),
    backlog: add(curve.backlog, backlog, null),
    accepted: add(curve.accepted, accepted, null),
    finished: add(curve.finished, finished, null),
  };
}
