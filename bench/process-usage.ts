// CPU time and memory of processes, as Linux counts them.
import { readdirSync, readFileSync } from "node:fs";

/** Linux tells CPU times in hundredths of a second, whatever the kernel's own clock. */
const ticksPerSecond = 100;

export interface Usage {
  /** User and system time of every process, its threads and its children. */
  readonly cpuSeconds: number;
  /** The sum of the processes' highest resident sizes. */
  readonly peakRssMb: number;
}

export function usageOf(pids: readonly number[]): Usage {
  const all = [...new Set(pids.flatMap((pid) => [pid, ...descendantsOf(pid)]))];
  return { cpuSeconds: sum(all.map(cpuSecondsOf)), peakRssMb: sum(all.map(peakRssMbOf)) };
}

function descendantsOf(pid: number): readonly number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name before may hold spaces
  return sum(fields.slice(11, 15).map(Number)) / ticksPerSecond; // utime, stime, and those of ended children
}

function peakRssMbOf(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? 0) / 1024;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
