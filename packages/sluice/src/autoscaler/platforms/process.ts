// Copies of `sluice worker` as processes of this host, the number of which a platform is asked for: see process-pool.ts.
// What they held is handed back or recovered, so that a killed autoscaler costs time and nothing else.
import cluster from "node:cluster";
import type { Logger } from "../../telemetry/log.ts";
import type { Platform } from "../platform.ts";
import { copyOf, openProcessPool } from "./process-pool.ts";

export interface ProcessOptions {
  /** What each copy runs. */
  readonly file: string;
  readonly args: readonly string[];
  /** How long a copy that has to go may take before it is killed, in milliseconds. */
  readonly graceMs: number;
  /** How long to wait before one that died is started again; 1,000 unless set. Doubles while none lives for long. */
  readonly restartMinMs?: number | undefined;
  readonly log: Logger;
}

/** At most one in a process: the settings of node:cluster are shared. */
export function openProcesses({ file, args, graceMs, restartMinMs, log }: ProcessOptions): Platform {
  cluster.setupPrimary({ exec: file, args: [...args] });
  const start = () => {
    const copy = cluster.fork();
    copy.on("error", () => {}); // a copy that could not be started or written to: its end is told as well
    return copyOf(copy.process);
  };
  return openProcessPool({ start, graceMs, restartMinMs, log });
}
