// The platform that the flags of `sluice autoscale` name.
import { observedPlatform } from "../autoscaler/observed.ts";
import type { Platform } from "../autoscaler/platform.ts";
import type { KubernetesTarget } from "../autoscaler/platforms/kubernetes.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";
import { sluiceCommand } from "./command-file.ts";
import { usageError } from "./failure.ts";

export interface PlatformOptions {
  readonly platform: Platform["name"];
  readonly service?: string;
  readonly deployment?: string;
  readonly statefulset?: string;
  readonly namespace?: string;
}

/** What is scaled, as the flags say. */
export type Scaled =
  | { readonly kind: "process" }
  | { readonly kind: "swarm"; readonly service: string }
  | { readonly kind: "kubernetes"; readonly target: KubernetesTarget };

/** Errors: usage, naming the flag that is missing or out of place. */
export function scaledOf(options: PlatformOptions): Scaled {
  const { platform, service, deployment, statefulset, namespace } = options;
  assertFits(options);
  switch (platform) {
    case "process":
      return { kind: "process" };
    case "swarm":
      if (service === undefined) throw usageError("--platform swarm needs --service NAME");
      return { kind: "swarm", service };
    case "kubernetes": {
      const name = deployment ?? statefulset;
      if (name === undefined || (deployment !== undefined && statefulset !== undefined))
        throw usageError("--platform kubernetes needs one of --deployment NAME and --statefulset NAME");
      const kind = deployment === undefined ? "statefulset" : "deployment";
      return { kind: "kubernetes", target: { kind, name, namespace } };
    }
    default:
      return platform satisfies never;
  }
}

/** Flags that another platform would read are a mistake, not to be passed over. */
function assertFits({ platform, service, deployment, statefulset, namespace }: PlatformOptions): void {
  const flags = [
    { flag: "--service", value: service, of: "swarm" },
    { flag: "--deployment", value: deployment, of: "kubernetes" },
    { flag: "--statefulset", value: statefulset, of: "kubernetes" },
    { flag: "--namespace", value: namespace, of: "kubernetes" },
  ];
  const stray = flags.find(({ value, of }) => value !== undefined && of !== platform);
  if (stray !== undefined) throw usageError(`${stray.flag} goes with --platform ${stray.of}`);
}

/** One name for what is scaled, the same for every autoscaler of it, and of nothing else. */
export async function scopeOf(scaled: Scaled, queues: readonly string[]): Promise<string> {
  switch (scaled.kind) {
    case "process":
      return `process/${queues.join(",")}`;
    case "swarm":
      return `swarm/${scaled.service}`;
    case "kubernetes": {
      const { kind, name } = scaled.target;
      const { namespaceOf } = await import("../autoscaler/platforms/kubernetes.ts");
      return `kubernetes/${await namespaceOf(scaled.target)}/${kind}/${name}`;
    }
    default:
      return scaled satisfies never;
  }
}

export interface Opening {
  readonly engine: Pick<Engine, "backlog">;
  readonly queues: readonly string[];
  /** Arguments of `sluice worker`. */
  readonly workerArgs: readonly string[];
  readonly graceMs: number;
  readonly isDryRun: boolean;
  readonly log: Logger;
}

/** After the drain's own grace, for what hangs. */
const killMarginMs = 10_000;

/** Each platform's library is loaded by its file alone, so that nobody pays for the others. */
export async function openPlatform(scaled: Scaled, opening: Opening): Promise<Platform> {
  switch (scaled.kind) {
    case "process":
      return opening.isDryRun ? presentWorkers(opening) : openWorkers(opening);
    case "swarm": {
      const { openSwarm } = await import("../autoscaler/platforms/swarm.ts");
      return dryOrWet(await openSwarm({ service: scaled.service }), opening);
    }
    case "kubernetes": {
      const { openKubernetes } = await import("../autoscaler/platforms/kubernetes.ts");
      return dryOrWet(await openKubernetes(scaled.target), opening);
    }
    default:
      return scaled satisfies never;
  }
}

async function openWorkers({ workerArgs, graceMs, log }: Opening): Promise<Platform> {
  const { openProcesses } = await import("../autoscaler/platforms/process.ts");
  return openProcesses({ file: sluiceCommand, args: ["worker", ...workerArgs], graceMs: graceMs + killMarginMs, log });
}

function dryOrWet(platform: Platform, { isDryRun }: Opening): Platform {
  return isDryRun ? observedPlatform({ name: platform.name, read: () => platform.replicas() }) : platform;
}

/** The processes of this host that a dry run did not start: those that the cluster sees. */
function presentWorkers({ engine, queues }: Opening): Platform {
  const read = async () => {
    const statuses = (await engine.backlog()).filter(({ queue }) => queues.includes(queue));
    return { replicas: Math.max(0, ...statuses.map(({ workers }) => workers)), version: "" };
  };
  return observedPlatform({ name: "process", read });
}
