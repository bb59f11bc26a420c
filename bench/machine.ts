// The machine that figures were measured on.
import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { findProgram, temporaryFolder } from "@sluice/testing";
import { median } from "./statistics.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly redis: string;
  /** The median of 4 KiB writes, each with its fsync, where the peers keep their files. */
  readonly fsyncMs: number;
}

export async function describeMachine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    redis: redisVersion(),
    fsyncMs: await measureFsyncMs(),
  };
}

/** One line of it. */
export function sayMachine({ cpu, cores, memoryGb, kernel, node, redis, fsyncMs }: Machine): string {
  const system = `${cores} cores of ${cpu}, ${memoryGb} GB, Linux ${kernel}, Node.js ${node}, Redis ${redis}`;
  return `${system}, fsync ${fsyncMs.toFixed(2)} ms`;
}

function redisVersion(): string {
  const program = findProgram({ program: "redis-server", debianPackage: "redis-server" });
  return /v=(\S+)/.exec(execFileSync(program, ["--version"], { encoding: "utf8" }))?.[1] ?? "unknown";
}

async function measureFsyncMs(): Promise<number> {
  await using folder = await temporaryFolder();
  const file = openSync(join(folder.path, "fsync"), "w");
  const page = Buffer.alloc(4096, 1);
  const timesMs = Array.from({ length: 200 }, () => {
    const startedAt = performance.now();
    writeSync(file, page);
    fsyncSync(file);
    return performance.now() - startedAt;
  });
  closeSync(file);
  return median(timesMs);
}
