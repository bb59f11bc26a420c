import type { Measurement } from "./measurement.ts";
import type { PeerName } from "./peers/peer.ts";
import type { FiguresByPeer } from "./scenarios/bound.ts";
import { figureHeadings } from "./scenarios/scenario.ts";
import type { FigureName, Figures, ScenarioName } from "./scenarios/scenario.ts";
import { median } from "./statistics.ts";

export const figureNames = Object.keys(figureHeadings) as readonly FigureName[];

/** Each peer's figures in a scenario: the median of its rounds. */
export function mediansOf(scenario: ScenarioName, measurements: readonly Measurement[]): FiguresByPeer {
  const ofScenario = measurements.filter((measurement) => measurement.scenario === scenario);
  const byPeer = Object.groupBy(ofScenario, ({ peer }): PeerName => peer);
  const entries = Object.entries(byPeer).map(([peer, rounds]) => [
    peer,
    medianFigures(rounds.map(({ figures }) => figures)),
  ]);
  return Object.fromEntries(entries) as FiguresByPeer;
}

function medianFigures(rounds: readonly Figures[]): Figures {
  const entries = figureNames.map((name) => [name, rounds.flatMap((figures) => figures[name] ?? [])] as const);
  return Object.fromEntries(
    entries.filter(([, values]) => values.length > 0).map(([name, values]) => [name, median(values)]),
  );
}
