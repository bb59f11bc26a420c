// What came of a day, as text and as Markdown. Pure.
import type { WireOrderAudit } from "@sluice/client";
import { rehearsalRows, tableOf, type Row } from "../../packages/sluice/src/rehearsal/report.ts";
import type { EngineName } from "../engines.ts";
import type { DayOptions, DayResult } from "./day.ts";

export interface Setting extends Pick<DayOptions, "requests" | "seed" | "orders" | "speed"> {
  readonly engine: EngineName;
  readonly command: string;
  readonly machine: string;
  readonly commit: string | undefined;
}

const engineNames = {
  embedded: "the embedded engine: one `sluice up` with its data folder",
  cluster: "the cluster: two gateways, three workers, PostgreSQL, RabbitMQ and Redis, all on the one machine",
} as const;

export function dayMarkdown(setting: Setting, result: DayResult, curveFile: string): string {
  const { engine, requests, seed, orders, speed, command, machine, commit } = setting;
  const { violations, versions } = result;
  const named = { "Node.js": process.versions.node, ...versions, ...(commit !== undefined && { commit }) };
  const held = orders === 0 ? "lost or doubled" : "lost, doubled or out of order";
  const verdict = violations.length === 0 ? `**Nothing was ${held}.**` : "**This day failed.**";
  return [
    `# A day of ${text(requests)} requests${orders === 0 ? "" : ` with ${text(orders)} order keys`}, ${engine}`,
    "",
    `Written by \`${command}\`. ${verdict}`,
    "",
    `The profile \`day\` of \`sluice rehearse\`, on ${engineNames[engine]}.`,
    `It is compressed: ${text(speed)} simulated seconds in a second. Each of eight hours brings a tenth of the day's total, and`,
    "service B processes a twentieth an hour, so the backlog grows all day and goes down in the evening. Nine in ten",
    "requests come in batches of up to 500, the others alone, each under a key of its own. Meanwhile every process is",
    "killed with SIGKILL again and again; what got no answer is sent again. In the end every result is read over HTTP, and",
    "every id listed. The checker of the fault suite, which knows the product by HTTP alone, compares them with the client's",
    "ledger and with B's logs.",
    "",
    `Machine: ${machine}. ${Object.entries(named)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}. Seed ${seed}.`,
    "",
    ...violations.flatMap((violation) => [`- ${violation}`, ""]),
    ...tableOf(["what", "count"], rowsOf(result)),
    "",
    ...boundLines(result),
    `![The backlog over the day](${curveFile})`,
    "",
  ].join("\n");
}

/** For the terminal. */
export function dayText(result: DayResult): string {
  const rows = rowsOf(result);
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  return [...lines, ...result.violations.map((violation) => `RED ${violation}`)].join("\n");
}

/** What the absence of failures is worth. */
function boundLines({ figures, rehearsed, violations }: DayResult): readonly string[] {
  if (violations.length > 0) return [];
  const bound = (count: number): string => `${Number(Math.min(100, 300 / count).toPrecision(2))} %`;
  const { length: kills } = rehearsed.kills;
  return [
    `Without a failure, fewer than ${bound(figures.accepted)} of requests and ${bound(kills)} of kills can be expected to fail (3/n, 95 %).`,
    "",
  ];
}

/** By the rehearsal, then by the checker. */
function rowsOf({ rehearsed, figures, orderAudit, peaks, seconds }: DayResult): readonly Row[] {
  const { starts, effects, lost, doubledOutcomes, doubledEffects, phantom, mismatched, inversions } = figures;
  return [
    ...rehearsalRows(rehearsed),
    ["attempts begun", text(starts)],
    ["effects", text(effects)],
    ["checker: lost", text(lost)],
    ["checker: doubled outcomes", text(doubledOutcomes)],
    ["checker: doubled effects (told: the effect is made in the process that dies)", text(doubledEffects)],
    ["checker: phantom", text(phantom)],
    ["checker: mismatched", text(mismatched)],
    ...(orderAudit === undefined ? [] : orderRows(orderAudit, inversions)),
    ...peaks.all().map(([name, mib]): Row => [`peak memory: ${name}, MiB`, text(Math.round(mib))]),
    ["all of it, s", seconds.toFixed(0)],
  ];
}

/** By B's logs, and by the ledger. */
function orderRows({ queues }: WireOrderAudit, inversions: number): readonly Row[] {
  const sum = (name: "keys" | "requests" | "inversions"): string =>
    text(queues.reduce((total, queue) => total + queue[name], 0));
  return [
    ["checker: out of order", text(inversions)],
    ["audit of order: requests with an order key", sum("requests")],
    ["audit of order: order keys", sum("keys")],
    ["audit of order: inversions", sum("inversions")],
  ];
}

function text(count: number): string {
  return count.toLocaleString("en");
}
