// Whether this gateway takes new work, and what is out, as /readyz tells it.
import { observe, type Observation } from "../telemetry/meter.ts";
import type { Readiness } from "./admission.ts";

export function readinessGauges({ isReady, problems }: Readiness): readonly Observation[] {
  const codes = new Set(problems.map(({ code }) => code)); // two of a kind are one series
  return [
    observe("sluice.ready", {}, Number(isReady)),
    ...Array.from(codes, (code) => observe("sluice.problem", { code }, 1)),
  ];
}
