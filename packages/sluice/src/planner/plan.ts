// What a day asks for: the same arrivals run with each number of replicas, or by the policy.
import type { ScalingGoal } from "../core/scaling.ts";
import type { Arrivals } from "./arrivals.ts";
import { simulate, type Replicas, type Sample, type Service } from "./simulate.ts";
import { summarise, waitsOf } from "./waits.ts";

export interface PlanOptions {
  readonly arrivals: Arrivals;
  readonly service: Service;
  readonly maxWaitMs: number;
  readonly diskBytesPerRequest: number;
  readonly replicas:
    | { readonly kind: "table"; readonly most: number }
    | { readonly kind: "policy"; readonly goal: ScalingGoal };
}

export interface Run {
  /** The most that ran at once. */
  readonly replicas: number;
  readonly peakBacklog: number;
  readonly peakAt: number;
  readonly worstWaitMs: number;
  readonly p99WaitMs: number;
  readonly finishedAfterMs: number;
  /** What was finished of what could have been, from 0 to 1. */
  readonly utilisation: number;
  /** For every request of the day: what is finished is kept with its result. */
  readonly diskBytes: number;
  readonly replicaHours: number;
}

export interface Plan {
  readonly arrivals: Arrivals;
  /** The fewest replicas of the runs that keep the longest wait; undefined when none of them does. */
  readonly smallest: number | undefined;
  readonly runs: readonly Run[];
}

const hourMs = 3_600_000;

export function plan(options: PlanOptions): Plan {
  const runs = choicesOf(options).map((replicas) => runOf(options, replicas));
  const smallest = runs.find(({ worstWaitMs }) => worstWaitMs <= options.maxWaitMs)?.replicas;
  return { arrivals: options.arrivals, smallest, runs };
}

/** The course of one run, simulated again: a table of many runs holds the courses of none. */
export function samplesOf({ arrivals, service, replicas }: PlanOptions, run: Run): readonly Sample[] {
  return simulate(arrivals, service, replicas.kind === "policy" ? replicas : { kind: "fixed", replicas: run.replicas });
}

function choicesOf({ replicas }: PlanOptions): readonly Replicas[] {
  if (replicas.kind === "policy") return [replicas];
  return Array.from({ length: replicas.most }, (_, index) => ({ kind: "fixed", replicas: index + 1 }));
}

function runOf({ arrivals, service, diskBytesPerRequest }: PlanOptions, replicas: Replicas): Run {
  const samples = simulate(arrivals, service, replicas);
  const { worstMs, p99Ms } = summarise(samples, waitsOf(samples));
  let peak = samples[0] as Sample;
  let most = 0;
  let couldServe = 0;
  let replicaMs = 0;
  for (const [index, sample] of samples.entries()) {
    const lengthMs = sample.atMs - (samples[index - 1]?.atMs ?? 0);
    if (backlogOf(sample) > backlogOf(peak)) peak = sample;
    most = Math.max(most, sample.replicas);
    couldServe += (sample.capacityPerHour * lengthMs) / hourMs;
    replicaMs += sample.replicas * lengthMs;
  }
  return {
    replicas: most,
    peakBacklog: Math.round(backlogOf(peak)),
    peakAt: arrivals.startAt + peak.atMs,
    worstWaitMs: Math.round(worstMs),
    p99WaitMs: Math.round(p99Ms),
    finishedAfterMs: Math.round(finishedAfterMs(samples)),
    utilisation: couldServe > 0 ? Math.min(1, arrivals.total / couldServe) : 0,
    diskBytes: Math.ceil(arrivals.total * diskBytesPerRequest),
    replicaHours: Math.round((replicaMs / hourMs) * 1e6) / 1e6,
  };
}

/** Hours without arrivals at the end of the day are no work left. */
function finishedAfterMs(samples: readonly Sample[]): number {
  const total = samples.at(-1)?.arrived ?? 0;
  return samples.find(({ served }) => served >= total)?.atMs ?? 0;
}

function backlogOf({ arrived, served }: Sample): number {
  return arrived - served;
}
