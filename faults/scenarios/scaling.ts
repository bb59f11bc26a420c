import { burstFault, burstKilledFault, playBurst } from "../scaling/burst.ts";
import { openEmbeddedFleet as open } from "../scaling/embedded-fleet.ts";
import type { Scenario } from "../scenario.ts";

/** The queue's concurrency: what the killed process and its children may have had in hand. */
const rerunsMax = 32;

export const scalings: readonly Scenario[] = [
  {
    name: "burst",
    numbers: "none",
    fault: burstFault,
    isLong: true,
    play: (options) => playBurst({ ...options, open, isKilled: false, rerunsMax: 0 }),
  },
  {
    name: "burst-killed",
    numbers: "none",
    fault: burstKilledFault,
    isKill: true,
    play: (options) => playBurst({ ...options, open, isKilled: true, rerunsMax }),
  },
];
