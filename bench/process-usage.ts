// CPU time and memory of processes, as Linux counts them.
import { readdirSync, readFileSync } from "node:fs";
import type { PeerProcess, Role } from "./peers/peer.ts";

/** Linux tells CPU times in hundredths of a second, whatever the kernel's own clock. */
const ticksPerSecond = 100;

export interface Usage {
  /** User and system time of every process, its threads and its children. */
  readonly cpuSeconds: number;
  /** The sum of the processes' highest resident sizes. What PostgreSQL's processes share counts once for each. */
  readonly peakRssMb: number;
}

export type UsageByRole = Readonly<Partial<Record<Role, Usage>>>;

/** What processes and their children have used since they started. */
export function usageOf(processes: readonly PeerProcess[]): UsageByRole {
  const byRole = Object.groupBy(processes, ({ role }) => role);
  const entries = Object.entries(byRole).map(([role, members]) => [role, usageOfPids(members.map(({ pid }) => pid))]);
  return Object.fromEntries(entries) as UsageByRole;
}

/** The CPU time from one look to a later one, and the highest memory until then. */
export function usedBetween(before: UsageByRole, after: UsageByRole): UsageByRole {
  const entries = Object.entries(after).map(([role, { cpuSeconds, peakRssMb }]) => [
    role,
    { cpuSeconds: cpuSeconds - (before[role as Role]?.cpuSeconds ?? 0), peakRssMb },
  ]);
  return Object.fromEntries(entries) as UsageByRole;
}

export function totalOf(usage: UsageByRole): Usage {
  const all = Object.values(usage);
  return { cpuSeconds: sum(all.map((one) => one.cpuSeconds)), peakRssMb: sum(all.map((one) => one.peakRssMb)) };
}

function usageOfPids(pids: readonly number[]): Usage {
  const all = [...new Set(pids.flatMap((pid) => [pid, ...descendantsOf(pid)]))];
  return { cpuSeconds: sum(all.map(cpuSecondsOf)), peakRssMb: sum(all.map(peakRssMbOf)) };
}

function descendantsOf(pid: number): readonly number[] {
  const threads = ifAlive(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  const children = threads.flatMap((thread) =>
    (ifAlive(() => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")) ?? "")
      .split(" ")
      .filter(Boolean)
      .map(Number),
  );
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

function cpuSecondsOf(pid: number): number {
  const stat = ifAlive(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (stat === undefined) return 0;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name before may hold spaces
  return sum(fields.slice(11, 15).map(Number)) / ticksPerSecond; // utime, stime, and those of ended children
}

function peakRssMbOf(pid: number): number {
  const status = ifAlive(() => readFileSync(`/proc/${pid}/status`, "utf8")) ?? "";
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
}

/** Undefined once a process or thread has ended. PostgreSQL's come and go; its time is then with the parent's. */
function ifAlive<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
