// What is played on each engine.
import { mkdirSync } from "node:fs";
import { clusterScenarios } from "./cluster/scenarios/index.ts";
import { Servers } from "./cluster/servers.ts";
import type { Scenario } from "./scenario.ts";
import { notPlayed, scenarios } from "./scenarios/index.ts";

export const engines = ["embedded", "cluster"] as const;

export type EngineName = (typeof engines)[number];

/** Hits of each fault, by how thorough the run is. */
export const roundsOf = {
  embedded: { short: 2, usual: 5, full: 20 },
  cluster: { short: 2, usual: 3, full: 10 },
} as const satisfies Readonly<Record<EngineName, Readonly<Record<string, number>>>>;

/** What there is to play, without starting anything. */
export const repertoire: Readonly<Record<EngineName, readonly Omit<Scenario, "play">[]>> = {
  embedded: scenarios,
  cluster: clusterScenarios,
};

export const notPlayedOn = { embedded: notPlayed, cluster: [] } as const;

/** Owns the servers that the scenarios play on. */
export interface Playbill extends AsyncDisposable {
  readonly scenarios: readonly Scenario[];
}

export async function openPlaybill(engine: EngineName, logFolder: string | undefined): Promise<Playbill> {
  if (engine === "embedded") return { scenarios, [Symbol.asyncDispose]: () => Promise.resolve() };
  if (logFolder !== undefined) mkdirSync(logFolder, { recursive: true });
  const servers = await Servers.open();
  return {
    scenarios: clusterScenarios.map(({ play, ...scenario }) => ({
      ...scenario,
      play: (options) => play({ ...options, servers, logFolder }),
    })),
    [Symbol.asyncDispose]: () => servers[Symbol.asyncDispose](),
  };
}
