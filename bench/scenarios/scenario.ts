import type { Peer, PeerName } from "../peers/peer.ts";
import type { Bound } from "./bound.ts";

export const scenarioNames = ["intake", "life", "rated", "waiting"] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export interface Scenario {
  readonly name: ScenarioName;
  /** What it measures, in a sentence. */
  readonly title: string;
  /** The figure by which peers are compared. */
  readonly figure: FigureName;
  readonly peers: readonly PeerName[];
  /** What Sluice must reach. */
  readonly bounds: readonly Bound[];
  measure(peer: Peer, settings: Settings): Promise<Figures>;
}

export interface Settings {
  readonly seconds: number;
  readonly ratedSeconds: number;
  readonly connections: number;
  readonly ratePerHour: number;
  readonly waiting: number;
  readonly profileFolder: string | undefined;
}

/** Every figure the bench knows, with its heading. */
export const figureHeadings = {
  perSecond: "per second",
  p50Ms: "p50 ms",
  p99Ms: "p99 ms",
  requests: "requests",
  firstDeliverySeconds: "restart to first delivery, s",
  cpuSecondsPer100k: "CPU s per 100,000",
  peakRssMb: "peak RSS MB",
  restartedRssMb: "peak RSS MB after the restart",
} as const;

export type FigureName = keyof typeof figureHeadings;
export type Figures = Readonly<Partial<Record<FigureName, number>>>;
