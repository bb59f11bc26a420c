// The machine that figures were measured on.
import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { findProgram, temporaryFolder } from "@sluice/testing";
import type { PeerName } from "./peers/peer.ts";
import { median } from "./statistics.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly redis: string;
  /** Where a peer of the run needs it. */
  readonly postgres?: string;
  readonly rabbitmq?: string;
  /** The median of 4 KiB writes, each with its fsync, where the peers keep their files. */
  readonly fsyncMs: number;
}

const onPostgres: readonly PeerName[] = ["textbook", "pg-boss", "graphile-worker", "cluster", "cluster-postgres"];
const onRabbitmq: readonly PeerName[] = ["textbook", "cluster"];

export async function describeMachine(peers: readonly PeerName[]): Promise<Machine> {
  const needsPostgres = peers.some((peer) => onPostgres.includes(peer));
  const needsRabbitmq = peers.some((peer) => onRabbitmq.includes(peer));
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    redis: redisVersion(),
    ...(needsPostgres ? { postgres: postgresVersion() } : {}),
    ...(needsRabbitmq ? { rabbitmq: rabbitmqVersion() } : {}),
    fsyncMs: await measureFsyncMs(),
  };
}

/** One line of it. */
export function sayMachine(machine: Machine): string {
  const { cpu, cores, memoryGb, kernel, node, redis, postgres, rabbitmq, fsyncMs } = machine;
  return [
    `${cores} cores of ${cpu}, ${memoryGb} GB, Linux ${kernel}, Node.js ${node}, Redis ${redis}`,
    ...(postgres === undefined ? [] : [`PostgreSQL ${postgres}`]),
    ...(rabbitmq === undefined ? [] : [`RabbitMQ ${rabbitmq}`]),
    `fsync ${fsyncMs.toFixed(2)} ms`,
  ].join(", ");
}

function redisVersion(): string {
  const program = findProgram({ program: "redis-server", debianPackage: "redis-server" });
  return /v=(\S+)/.exec(execFileSync(program, ["--version"], { encoding: "utf8" }))?.[1] ?? "unknown";
}

function postgresVersion(): string {
  const program = findProgram({
    program: "postgres",
    debianPackage: "postgresql",
    outsidePath: "/usr/lib/postgresql/*/bin/postgres",
  });
  return /\d+\.\d+/.exec(execFileSync(program, ["--version"], { encoding: "utf8" }))?.[0] ?? "unknown";
}

function rabbitmqVersion(): string {
  if (process.env["SLUICE_TEST_RABBITMQ"] === "4") return "4"; // not this system's
  const program = findProgram({ program: "rabbitmqctl", debianPackage: "rabbitmq-server" });
  return execFileSync(program, ["version"], { encoding: "utf8" }).trim();
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
