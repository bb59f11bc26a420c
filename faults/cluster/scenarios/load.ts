import { abuseFault, playAbuse } from "../../load/abuse.ts";
import { backlogFault, playBacklog } from "../../load/backlog.ts";
import type { LoadOptions } from "../../load/field.ts";
import { peakFault, playPeak } from "../../load/peak.ts";
import { openClusterField } from "../cluster-field.ts";
import type { ClusterPlayOptions, ClusterScenario } from "../cluster-scenario.ts";

export const load: readonly ClusterScenario[] = [
  { name: "peak", numbers: "1", fault: peakFault, play: (options) => playPeak(onCluster(options)) },
  { name: "backlog", numbers: "24", fault: backlogFault, play: (options) => playBacklog(onCluster(options)) },
  { name: "abuse", numbers: "25", fault: abuseFault, play: (options) => playAbuse(onCluster(options)) },
];

function onCluster(options: ClusterPlayOptions): LoadOptions {
  return { ...options, open: (settings) => openClusterField(options, settings) };
}
