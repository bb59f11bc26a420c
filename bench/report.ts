// The measurements as a table: ratios first, figures beside them.
import type { Measurement } from "./measurement.ts";
import { figureNames, mediansOf } from "./medians.ts";
import { peerLabels } from "./peers/label.ts";
import { peerNames } from "./peers/peer.ts";
import { judge, ratioOf } from "./scenarios/bound.ts";
import type { Bound } from "./scenarios/bound.ts";
import { figureHeadings } from "./scenarios/scenario.ts";
import type { FigureName, Scenario, ScenarioName } from "./scenarios/scenario.ts";

/** Headings, then rows, each of which is headed by its first cell. */
export type Table = readonly (readonly string[])[];

export interface ScenarioReport {
  readonly name: ScenarioName;
  readonly title: string;
  /** A row for each peer. */
  readonly table: Table;
  /** What must be reached, and whether it was. */
  readonly bounds: readonly string[];
}

/** Figures that are counted, and so are shown whole. */
const counted: readonly FigureName[] = ["requests", "kills", "lost", "dropped"];

export function report(scenario: Scenario, measurements: readonly Measurement[]): ScenarioReport {
  const figures = mediansOf(scenario.name, measurements);
  const peers = peerNames.filter((peer) => figures[peer] !== undefined).toReversed();
  const shown = figureNames.filter((name) => peers.some((peer) => figures[peer]?.[name] !== undefined));
  const bases = (["bare", "bullmq", "textbook"] as const).filter((base) => figures[base] !== undefined);
  const rows = peers.map((peer) => [
    peerLabels[peer],
    ...bases.map((base) => show(ratioOf(figures[peer]?.[scenario.figure], figures[base]?.[scenario.figure]))),
    ...shown.map((name) => (counted.includes(name) ? showWhole : show)(figures[peer]?.[name])),
  ]);
  const headings = ["", ...bases.map((base) => `÷ ${peerLabels[base]}`), ...shown.map((name) => figureHeadings[name])];
  const bounds = scenario.bounds.map((bound) => `${say(bound)}: ${judge(bound, { figures, figure: scenario.figure })}`);
  return { name: scenario.name, title: scenario.title, table: [headings, ...rows], bounds };
}

export function renderText({ name, title, table, bounds }: ScenarioReport): string {
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = table.map((row) => row.map((cell, column) => pad(cell, column, widths)).join("  "));
  return [`${name}: ${title}`, ...lines, ...bounds].map((line) => line.trimEnd()).join("\n");
}

export function renderMarkdown({ name, title, table, bounds }: ScenarioReport): string {
  return [`**${name}**: ${title}`, "", markdownTable(table), "", ...bounds.map((bound) => `- ${bound}`)].join("\n");
}

export function markdownTable(table: Table): string {
  const [headings = "", ...rows] = table.map((row) => `| ${row.join(" | ")} |`);
  const rule = `|${table[0]?.map((_, column) => (column === 0 ? "---" : "---:")).join("|")}|`;
  return [headings, rule, ...rows].join("\n");
}

function say(bound: Bound): string {
  switch (bound.kind) {
    case "ratio":
      return `${peerLabels[bound.of]} must be at least ${bound.atLeast} × ${peerLabels[bound.to]}`;
    case "floor":
      return `${peerLabels[bound.of]}: ${figureHeadings[bound.figure]} must be at least ${bound.atLeast}`;
    case "limit":
      return `${peerLabels[bound.of]}: ${figureHeadings[bound.figure]} must be at most ${bound.atMost}`;
    default:
      return bound satisfies never;
  }
}

export function show(value: number | undefined): string {
  if (value === undefined) return "";
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function showWhole(value: number | undefined): string {
  return value === undefined ? "" : value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

function pad(cell: string, column: number, widths: readonly number[]): string {
  const width = widths[column] ?? 0;
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
