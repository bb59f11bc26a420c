import type { Peer, PeerName } from "../peers/peer.ts";
import type { UsageByRole } from "../process-usage.ts";
import type { Bound } from "./bound.ts";

export const scenarioNames = [
  "intake",
  "life",
  "rated",
  "backlog",
  "restart",
  "small",
  "lines",
  "neighbours",
  "loss",
] as const;
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
  /** For one that counts: its figure is no median. */
  readonly roundsMax?: number;
  measure(peer: Peer, settings: Settings): Promise<Measured>;
}

export interface Measured {
  readonly figures: Figures;
  /** What each kind of process has used. */
  readonly usage: UsageByRole;
}

export interface Settings {
  readonly seconds: number;
  readonly ratedSeconds: number;
  readonly connections: number;
  readonly ratePerHour: number;
  readonly waiting: number;
  readonly lossRequests: number;
  readonly kills: number;
  readonly profileFolder: string | undefined;
}

/** Every figure the bench knows, with its heading. */
export const figureHeadings = {
  perSecond: "per second",
  perSecondFew: "a tenth waiting",
  perSecondMany: "all waiting",
  postedPerSecondMany: "posted a second, all waiting",
  leastShare: "least share of the first",
  p50Ms: "p50 ms",
  p99Ms: "p99 ms",
  requests: "requests",
  kills: "kills",
  lost: "lost",
  dropped: "dropped as seen",
  firstDeliverySeconds: "restart to first delivery, s",
  plainPerSecond: "per second without",
  shareOfPlain: "with ÷ without",
  plainCpuSecondsPer100k: "CPU s per 100,000 without",
  aloneP99Ms: "alone, ms",
  floodP99Ms: "beside the flood, ms",
  keysP99Ms: "beside 10,000 order keys, ms",
  slowP99Ms: "beside slow ones, ms",
  floodShare: "flood ÷ alone",
  keysShare: "order keys ÷ alone",
  slowShare: "slow ÷ alone",
  mbPerSecond100B: "100 B, MB/s",
  mbPerSecond8Kb: "8 KB, MB/s",
  mbPerSecond256Kb: "256 KB, MB/s",
  diskMbPerSecond: "disk, MB/s",
  diskShare: "256 KB ÷ disk",
  cpuSecondsPer100k: "CPU s per 100,000",
  peakRssMb: "peak RSS MB",
  restartedRssMb: "peak RSS MB after the restart",
  manyRssMb: "peak RSS MB, all waiting",
} as const;

export type FigureName = keyof typeof figureHeadings;
export type Figures = Readonly<Partial<Record<FigureName, number>>>;
