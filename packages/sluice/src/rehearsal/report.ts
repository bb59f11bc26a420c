// What came of a rehearsal, as text, as Markdown and as JSON. Pure.
import { formatDuration } from "../core/duration.ts";
import type { Kill } from "./killer.ts";
import type { Rehearsed } from "./rehearse.ts";
import type { GroupWait } from "./turns.ts";

export interface Setting {
  readonly queue: string;
  readonly urls: readonly string[];
  readonly profile: string;
  readonly speed: number;
  readonly seed: number;
  /** Begins the Idempotency-Key of each request. */
  readonly run: string;
  readonly isEcho: boolean;
}

export type Row = readonly [name: string, value: string];

const count = (value: number): string => Math.round(value).toLocaleString("en-US");

export function rehearsalText(setting: Setting, rehearsed: Rehearsed): string {
  const rows: Row[] = [...rehearsalRows(rehearsed), ["seed", String(setting.seed)]];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    "",
    ...rehearsed.wrong,
    ...rehearsed.violations.map((violation) => `FAILED ${violation}`),
    verdictOf(rehearsed),
  ].join("\n");
}

export function rehearsalMarkdown(setting: Setting, rehearsed: Rehearsed, curveFile: string): string {
  const { queue, urls, profile, speed, seed, run, isEcho } = setting;
  const { violations, wrong } = rehearsed;
  return [
    `# A rehearsal of ${count(rehearsed.figures.requests)} requests on the queue ${queue}`,
    "",
    `**${verdictOf(rehearsed)}**`,
    "",
    ...violations.flatMap((violation) => [`- ${violation}`]),
    ...wrong.map((what) => `- \`${what}\``),
    ...(violations.length > 0 ? [""] : []),
    `Sent to ${urls.join(", ")}: \`${profile}\`, ${speed} simulated seconds in a second. What got no answer was sent`,
    "again under the same key. In the end every request of the rehearsal's own books was read over HTTP: its outcome and",
    isEcho ? "its result, which had to be its body again." : "its result, and its body, which had to be what was sent.",
    `Seed ${seed}; the keys begin with \`${run}\`.`,
    "",
    ...tableOf(["what", "count"], rehearsalRows(rehearsed)),
    "",
    `![The backlog over the rehearsal](${curveFile})`,
    "",
  ].join("\n");
}

/** The `rehearsal` shape: what is absent is null. */
export function rehearsalView(setting: Setting, rehearsed: Rehearsed): object {
  const { figures, kills, curve, audit, violations, wrong, isInterrupted } = rehearsed;
  const { peakBacklog, plannedPeak, servicePerHour, sendingMs, behindMsMax, drainedMs, groups } = rehearsed;
  const { queue, urls, profile, speed, seed, run } = setting;
  return {
    ok: violations.length === 0 && !isInterrupted,
    interrupted: isInterrupted,
    violations,
    wrong,
    setting: { queue, urls, profile, speed, seed, run, servicePerHour: servicePerHour ?? null },
    figures: { ...figures, unaccounted: figures.unaccounted ?? null, outOfTurn: figures.outOfTurn ?? null },
    groups: groups.map(({ group, count: requests, p50Ms, p99Ms }) => ({
      group,
      requests,
      p50WaitSeconds: p50Ms / 1_000,
      p99WaitSeconds: p99Ms / 1_000,
    })),
    audit,
    kills: kills.map(({ name, atMs, failure }) => ({ name, atSeconds: atMs / 1_000, failure: failure ?? null })),
    peakBacklog: { measured: peakBacklog, planned: plannedPeak ?? null },
    sendingSeconds: sendingMs / 1_000,
    behindSeconds: behindMsMax / 1_000,
    drainedAfterSeconds: drainedMs / 1_000,
    curve: curve.map(({ atMs, backlog, planned }) => ({
      atSeconds: atMs / 1_000,
      backlog,
      planned: planned ?? null,
    })),
  };
}

function verdictOf({ violations, isInterrupted, audit }: Rehearsed): string {
  if (violations.length > 0) return "The rehearsal failed.";
  if (isInterrupted)
    return `Interrupted. So far nothing is lost, and the law ${audit.holds ? "holds" : "does not hold"}.`;
  return "Nothing is lost, and the law holds.";
}

/** All that was counted and measured. */
export function rehearsalRows(rehearsed: Rehearsed): readonly Row[] {
  return [...figureRows(rehearsed), ...rehearsed.groups.map(groupRow), ...courseRows(rehearsed)];
}

function figureRows({ figures }: Rehearsed): readonly Row[] {
  const row = (name: string, value: number): Row => [name, count(value)];
  return [
    row("requests", figures.requests),
    row("accepted", figures.accepted),
    row("sent without an answer", figures.unknown),
    row("refused for the moment", figures.refused),
    row("never accepted", figures.withoutReceipt),
    row("done", figures.done),
    row("dead", figures.dead),
    row("cancelled", figures.cancelled),
    row("unfinished", figures.unfinished),
    row("lost", figures.lost),
    row("not what was sent", figures.mismatched),
    row("changed results", figures.changed),
    row("doubled", figures.doubled),
    ...(figures.unaccounted === undefined ? [] : [row("accepted beyond the books", figures.unaccounted)]),
    ...(figures.outOfTurn === undefined ? [] : [row("begun out of turn", figures.outOfTurn)]),
  ];
}

function groupRow({ group, count: requests, p50Ms, p99Ms }: GroupWait): Row {
  const waits = `${formatDuration(p50Ms)} at p50, ${formatDuration(p99Ms)} at p99, of ${count(requests)}`;
  return [`wait: ${group === "" ? "(no group)" : group}`, waits];
}

function courseRows({ kills, peakBacklog, plannedPeak, sendingMs, behindMsMax, drainedMs }: Rehearsed): readonly Row[] {
  return [
    ...killRows(kills),
    ["backlog at its peak", count(peakBacklog)],
    ...(plannedPeak === undefined ? [] : ([["by the planner", count(plannedPeak)]] as const)),
    ["sent after", formatDuration(sendingMs)],
    ["behind the day at most", formatDuration(Math.round(behindMsMax))],
    ["finished after", formatDuration(drainedMs)],
  ];
}

function killRows(kills: readonly Kill[]): readonly Row[] {
  const names = [...new Set(kills.map(({ name }) => name))].toSorted();
  return names.map((name) => {
    const done = kills.filter((kill) => kill.name === name && kill.failure === undefined);
    return [`killed: ${name}`, count(done.length)];
  });
}

export function tableOf(heads: Row, rows: readonly Row[]): readonly string[] {
  return [`| ${heads.join(" | ")} |`, "|---|---:|", ...rows.map((cells) => `| ${cells.join(" | ")} |`)];
}
