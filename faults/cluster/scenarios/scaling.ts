import { burstFault, burstKilledFault, playBurst } from "../../scaling/burst.ts";
import { openClusterFleet } from "../../scaling/cluster-fleet.ts";
import type { Played } from "../../scenario.ts";
import type { ClusterPlayOptions, ClusterScenario } from "../cluster-scenario.ts";

export const scalings: readonly ClusterScenario[] = [
  { name: "burst", numbers: "none", fault: burstFault, play: (options) => play(options, { isKilled: false }) },
  {
    name: "burst-killed",
    numbers: "none",
    fault: burstKilledFault,
    isKill: true,
    play: (options) => play(options, { isKilled: true }),
  },
];

/** The workers outlive their autoscaler until what they run is finished: nothing begins again. */
function play(options: ClusterPlayOptions, { isKilled }: { readonly isKilled: boolean }): Promise<Played> {
  return playBurst({ ...options, isKilled, rerunsMax: 0, open: () => openClusterFleet(options) });
}
