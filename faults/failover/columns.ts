import type { Column } from "../report.ts";
import type { FailoverFigures, Played, Recovery } from "../scenario.ts";

/** Of what was measured, beside the scenario's name or its fault. */
export const failoverColumns: readonly Column[] = [
  ["failovers", (_, played) => of(played).recoveries.length],
  ["accepted", (_, { figures }) => figures.accepted],
  ["unknown", (_, { figures }) => figures.unknown],
  ["lost", ({ scenario }, { figures }) => `${figures.lost}${scenario.isLossMeant === true ? " (must)" : ""}`],
  ["doubled outcomes", (_, { figures }) => figures.doubledOutcomes],
  ["doubled effects", (_, { figures }) => figures.doubledEffects],
  ["runs", (_, { figures }) => figures.starts],
  ["extra runs", (_, played) => of(played).extraStarts],
  ["ran thrice", (_, played) => of(played).startedThrice],
  ["promoted, median", (_, played) => seconds(median(each(played, "stepMs")))],
  ["first 202, median", (_, played) => seconds(median(each(played, "firstReceiptMs")))],
  ["first 202, latest", (_, played) => seconds(Math.max(...each(played, "firstReceiptMs")))],
  ["both gateways, latest", (_, played) => seconds(Math.max(...each(played, "everyReceiptMs")))],
  ["audit", (_, played) => of(played).audit],
  ["time", (result) => `${Math.round(result.seconds)} s`],
  ["verdict", ({ violations }) => (violations.length === 0 ? "ok" : "RED")],
];

function of({ failover }: Played): FailoverFigures {
  if (failover === undefined) throw new Error("a scenario of a failover measured none");
  return failover;
}

function each(played: Played, what: keyof Recovery): readonly number[] {
  return of(played).recoveries.map((recovery) => recovery[what]);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function seconds(ms: number): string {
  return Number.isFinite(ms) ? `${(ms / 1_000).toFixed(2)} s` : "-";
}
