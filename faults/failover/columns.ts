import type { Column } from "../report.ts";
import type { FailoverFigures, Played } from "../scenario.ts";

/** Of what was measured, beside the scenario's name or its fault. */
export const failoverColumns: readonly Column[] = [
  ["failovers", (_, played) => of(played).failovers],
  ["accepted", (_, { figures }) => figures.accepted],
  ["unknown", (_, { figures }) => figures.unknown],
  ["lost", ({ scenario }, { figures }) => `${figures.lost}${scenario.isLossMeant === true ? " (must)" : ""}`],
  ["doubled outcomes", (_, { figures }) => figures.doubledOutcomes],
  ["doubled effects", (_, { figures }) => figures.doubledEffects],
  ["runs", (_, { figures }) => figures.starts],
  ["extra runs", (_, played) => of(played).extraStarts],
  ["ran thrice", (_, played) => of(played).startedThrice],
  ["first 202, median", (_, played) => seconds(median(of(played).firstReceiptsMs))],
  ["first 202, latest", (_, played) => seconds(Math.max(...of(played).firstReceiptsMs))],
  ["both gateways, latest", (_, played) => seconds(Math.max(...of(played).everyReceiptsMs))],
  ["audit", (_, played) => of(played).audit],
  ["time", (result) => `${Math.round(result.seconds)} s`],
  ["verdict", ({ violations }) => (violations.length === 0 ? "ok" : "RED")],
];

function of({ failover }: Played): FailoverFigures {
  if (failover === undefined) throw new Error("a scenario of a failover measured none");
  return failover;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function seconds(ms: number): string {
  return Number.isFinite(ms) ? `${(ms / 1_000).toFixed(2)} s` : "-";
}
