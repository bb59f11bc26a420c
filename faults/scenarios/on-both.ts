// What is the same on either engine: it plays on a field.
import type { FieldSetting, OpenField } from "../field.ts";
import { abuseFault, playAbuse } from "../load/abuse.ts";
import { backlogFault, playBacklog } from "../load/backlog.ts";
import { peakFault, playPeak } from "../load/peak.ts";
import { burstFault, burstKilledFault, playBurst } from "../scaling/burst.ts";
import type { PlayOptions, Scenario } from "../scenario.ts";
import { poisonFault, playPoison } from "./poison.ts";
import { playRepeats, repeatsFault } from "./repeats.ts";

interface Ground<Options> {
  readonly open: OpenField<Options>;
  /** How many requests may run again when the process that scales is killed: what it ran itself. */
  readonly rerunsMax: number;
}

type OnField<Options> = Omit<Scenario, "play"> & { play(options: Options): ReturnType<Scenario["play"]> };

export function scenariosOn<Options extends PlayOptions>({ open, rerunsMax }: Ground<Options>): OnField<Options>[] {
  const opening = (options: Options) => (setting?: FieldSetting) => open(options, setting);
  const burst = (options: Options, isKilled: boolean): ReturnType<Scenario["play"]> =>
    playBurst({ ...options, open: opening(options), isKilled, rerunsMax: isKilled ? rerunsMax : 0 });
  return [
    {
      name: "poison",
      numbers: "14",
      fault: poisonFault,
      isKill: true,
      play: (options) => playPoison(opening(options), options),
    },
    { name: "repeats", numbers: "21", fault: repeatsFault, play: (options) => playRepeats(opening(options), options) },
    { name: "peak", numbers: "1", fault: peakFault, play: (options) => playPeak(opening(options), options) },
    { name: "backlog", numbers: "24", fault: backlogFault, play: (options) => playBacklog(opening(options), options) },
    { name: "abuse", numbers: "25", fault: abuseFault, isLong: true, play: (options) => playAbuse(opening(options)) },
    { name: "burst", numbers: "none", fault: burstFault, isLong: true, play: (options) => burst(options, false) },
    {
      name: "burst-killed",
      numbers: "none",
      fault: burstKilledFault,
      isLong: true,
      isKill: true,
      play: (options) => burst(options, true),
    },
  ];
}
