import type { PeerName } from "./peers/peer.ts";
import type { UsageByRole } from "./process-usage.ts";
import type { Figures, ScenarioName } from "./scenarios/scenario.ts";

/** What one scenario of one peer showed in one round. */
export interface Measurement {
  readonly scenario: ScenarioName;
  readonly peer: PeerName;
  readonly round: number;
  readonly figures: Figures;
  /** What each kind of process has used of CPU and memory: where the time goes. */
  readonly usage: UsageByRole;
}
