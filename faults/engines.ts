// What is played on each engine.
import { mkdirSync } from "node:fs";
import type { CarrierChoice } from "@sluice/testing";
import { whyLeftOut } from "./cluster/carriers.ts";
import { clusterScenarios } from "./cluster/scenarios/index.ts";
import { Servers } from "./cluster/servers.ts";
import { SkippedError, type Scenario } from "./scenario.ts";
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

export interface PlaybillOptions {
  readonly logFolder: string | undefined;
  /** Of a cluster, beside PostgreSQL. */
  readonly carriers: CarrierChoice;
}

export async function openPlaybill(engine: EngineName, { logFolder, carriers }: PlaybillOptions): Promise<Playbill> {
  if (engine === "embedded") return { scenarios, [Symbol.asyncDispose]: () => Promise.resolve() };
  if (logFolder !== undefined) mkdirSync(logFolder, { recursive: true });
  const servers = await Servers.open(carriers);
  return {
    scenarios: clusterScenarios.map(({ play, needs = [], ...scenario }) => ({
      ...scenario,
      play(options) {
        const why = whyLeftOut(needs, carriers);
        if (why !== undefined) throw new SkippedError(why);
        return play({ ...options, servers, logFolder });
      },
    })),
    [Symbol.asyncDispose]: () => servers[Symbol.asyncDispose](),
  };
}
