// The measurements as a table: ratios first, figures beside them.
import { peerNames } from "./peers/peer.ts";
import type { PeerName } from "./peers/peer.ts";
import { judge, ratioOf } from "./scenarios/bound.ts";
import type { Bound, FiguresByPeer } from "./scenarios/bound.ts";
import { figureHeadings } from "./scenarios/scenario.ts";
import type { FigureName, Figures, Scenario, ScenarioName } from "./scenarios/scenario.ts";
import { median } from "./statistics.ts";

/** What one scenario of one peer showed in one round. */
export interface Measurement {
  readonly scenario: ScenarioName;
  readonly peer: PeerName;
  readonly round: number;
  readonly figures: Figures;
}

export interface ScenarioReport {
  readonly name: ScenarioName;
  readonly title: string;
  /** Headings, then a row for each peer. */
  readonly table: readonly (readonly string[])[];
  /** What must be reached, and whether it was. */
  readonly bounds: readonly string[];
}

const figureNames = Object.keys(figureHeadings) as readonly FigureName[];
const peerLabels = {
  bare: "bare node:http",
  bullmq: "Fastify + BullMQ",
  textbook: "the textbook",
  sluice: "Sluice, embedded",
  cluster: "Sluice, cluster",
} as const;

export function report(scenario: Scenario, measurements: readonly Measurement[]): ScenarioReport {
  const figures = medians(measurements.filter((measurement) => measurement.scenario === scenario.name));
  const peers = peerNames.filter((peer) => figures[peer] !== undefined).toReversed();
  const shown = figureNames.filter((name) => peers.some((peer) => figures[peer]?.[name] !== undefined));
  const bases = (["bare", "bullmq", "textbook"] as const).filter((base) => figures[base] !== undefined);
  const rows = peers.map((peer) => [
    peerLabels[peer],
    ...bases.map((base) => show(ratioOf(figures[peer]?.[scenario.figure], figures[base]?.[scenario.figure]))),
    ...shown.map((name) => show(figures[peer]?.[name])),
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
  const [headings = [], ...rows] = table.map((row) => `| ${row.join(" | ")} |`);
  const rule = `|${table[0]?.map((_, column) => (column === 0 ? "---" : "---:")).join("|")}|`;
  return [`**${name}**: ${title}`, "", headings, rule, ...rows, "", ...bounds.map((bound) => `- ${bound}`)].join("\n");
}

function medians(measurements: readonly Measurement[]): FiguresByPeer {
  const byPeer = Object.groupBy(measurements, ({ peer }) => peer);
  const entries = Object.entries(byPeer).map(([peer, rounds]) => [
    peer,
    medianFigures(rounds.map((round) => round.figures)),
  ]);
  return Object.fromEntries(entries) as FiguresByPeer;
}

function medianFigures(rounds: readonly Figures[]): Figures {
  const entries = figureNames.map((name) => [name, rounds.flatMap((figures) => figures[name] ?? [])] as const);
  return Object.fromEntries(
    entries.filter(([, values]) => values.length > 0).map(([name, values]) => [name, median(values)]),
  );
}

function say(bound: Bound): string {
  switch (bound.kind) {
    case "ratio":
      return `${peerLabels[bound.of]} must be at least ${bound.atLeast} × ${peerLabels[bound.to]}`;
    case "limit":
      return `${peerLabels[bound.of]}: ${figureHeadings[bound.figure]} must be at most ${bound.atMost}`;
    default:
      return bound satisfies never;
  }
}

function show(value: number | undefined): string {
  if (value === undefined) return "";
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function pad(cell: string, column: number, widths: readonly number[]): string {
  const width = widths[column] ?? 0;
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
