// Where the CPU time goes: of each peer, what each kind of process takes for 100,000 requests.
import type { Measurement } from "./measurement.ts";
import { peerLabels } from "./peers/label.ts";
import { peerNames, type Role } from "./peers/peer.ts";
import { show, type Table } from "./report.ts";
import { figureHeadings, type ScenarioName } from "./scenarios/scenario.ts";
import { median } from "./statistics.ts";

/** Medians of the rounds; undefined for a scenario that does not count its requests. */
export function cpuTable(scenario: ScenarioName, measurements: readonly Measurement[]): Table | undefined {
  const counted = measurements.filter((one) => one.scenario === scenario && one.figures.requests !== undefined);
  const roles = [...new Set(counted.flatMap(({ usage }) => Object.keys(usage) as Role[]))];
  if (roles.length === 0) return undefined;
  const rows = peerNames.toReversed().flatMap((peer) => {
    const rounds = counted.filter((one) => one.peer === peer);
    return rounds.length === 0 ? [] : [[peerLabels[peer], ...roles.map((role) => show(medianOf(role, rounds)))]];
  });
  return [[figureHeadings.cpuSecondsPer100k, ...roles], ...rows];
}

function medianOf(role: Role, rounds: readonly Measurement[]): number | undefined {
  const values = rounds.flatMap(({ usage, figures }) => {
    const used = usage[role];
    return used === undefined ? [] : [(used.cpuSeconds / (figures.requests ?? Number.NaN)) * 1e5];
  });
  return values.length === 0 ? undefined : median(values);
}
