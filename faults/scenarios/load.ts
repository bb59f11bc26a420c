import { abuseFault, playAbuse } from "../load/abuse.ts";
import { backlogFault, playBacklog } from "../load/backlog.ts";
import { openEmbeddedField as open } from "../load/embedded-field.ts";
import { peakFault, playPeak } from "../load/peak.ts";
import type { Scenario } from "../scenario.ts";

export const load: readonly Scenario[] = [
  { name: "peak", numbers: "1", fault: peakFault, play: (options) => playPeak({ ...options, open }) },
  { name: "backlog", numbers: "24", fault: backlogFault, play: (options) => playBacklog({ ...options, open }) },
  { name: "abuse", numbers: "25", fault: abuseFault, isLong: true, play: (options) => playAbuse({ ...options, open }) },
];
