// How many replicas a queue needs, from what is measured and the wait that is to be kept.
import { formatDuration } from "./duration.ts";
import { expectedWaitMs } from "./forecast.ts";

export interface ScalingGoal {
  readonly min: number;
  readonly max: number;
  /** No request is to wait longer for its turn than this. */
  readonly maxWaitMs: number;
  /** The queue's set rate, if it has one: replicas past it would find nothing to do. */
  readonly ratePerHour: number | undefined;
  /** How long replicas are kept after the last time that so many were needed. */
  readonly holdMs: number;
}

export interface ScalingSignals {
  /** Any clock that does not go back. */
  readonly atMs: number;
  readonly backlog: number;
  /** How long the oldest of the backlog waits already; 0 when nothing waits. */
  readonly oldestWaitingMs: number;
  readonly arrivalsPerHour: number;
  /** What one busy replica finishes; undefined or 0 while that was not measured. */
  readonly perReplicaPerHour: number | undefined;
  /** How many were asked for last. */
  readonly replicas: number;
  /** Whether none of those that are there delivers because of that. */
  readonly isTargetDown?: boolean;
}

/** The needs of the last `holdMs`, but for those that a later one was not below: the highest first. */
export type ScalingMemory = readonly { readonly atMs: number; readonly replicas: number }[];

export type ScalingReason =
  /** The arrivals alone need this many. */
  | { readonly kind: "arrivals"; readonly text: string }
  /** The backlog would wait too long with fewer. */
  | { readonly kind: "wait"; readonly text: string }
  /** More would be needed, but the queue's rate feeds no more. */
  | { readonly kind: "rate"; readonly text: string }
  | { readonly kind: "minimum"; readonly text: string }
  /** More would be needed, but the goal allows no more. */
  | { readonly kind: "maximum"; readonly text: string }
  /** Fewer would do, but more were needed a while ago. */
  | { readonly kind: "hold"; readonly text: string }
  /** More would finish no more, and what there are will be needed when the target is back. */
  | { readonly kind: "target-down"; readonly text: string }
  /** Nothing is known of what one replica does. */
  | { readonly kind: "unmeasured"; readonly text: string };

export interface ScalingDecision {
  readonly replicas: number;
  readonly reason: ScalingReason;
  /** What one that arrives now waits with these replicas, or what the oldest has waited if that is longer. */
  readonly forecastWaitMs: number;
  /** For the next decision. */
  readonly memory: ScalingMemory;
}

/** Where requests may wait for longer than this, a burst is judged by its backlog and not by its first minute. */
const longWaitMs = 300_000;

/** Over how long the arrivals are averaged that a decision is made on. */
export function arrivalsWindowMs({ maxWaitMs }: ScalingGoal): 60_000 | 300_000 {
  return maxWaitMs < longWaitMs ? 60_000 : 300_000;
}

interface Need {
  readonly replicas: number;
  readonly reason: ScalingReason;
}

const hourMs = 3_600_000;
/** Rounding must not ask for a third replica where two fit exactly. */
const tolerance = 1e-9;

/**
 * The need is the larger of two counts: what keeps up with the arrivals, and what finishes the whole backlog in
 * the time that `maxWaitMs` leaves to its oldest (at least half of it, for what is late already cannot be mended).
 * It never exceeds what the queue's own rate can feed, and stays within `min` and `max`, which go before all else.
 * The decision is the highest need of the last `holdMs`: a higher one is met at once, and a lower one is followed once the
 * higher ones are old. It hangs on nothing but the queue's own needs, so that one queue never keeps what another one has asked
 * for. While one replica's rate is unknown the number asked for last stays, except that a backlog gets a first replica,
 * without which there would never be a measurement, and that an idle queue needs none. While the target is down it stays too.
 */
export function decideScaling(goal: ScalingGoal, signals: ScalingSignals, memory: ScalingMemory): ScalingDecision {
  const need = needOf(goal, signals);
  const { atMs } = signals;
  const higher = memory.filter((one) => one.replicas > need.replicas && atMs - one.atMs < goal.holdMs);
  const [highest] = higher;
  const needs = [...higher, { atMs, replicas: need.replicas }];
  if (highest === undefined) return decision(need, signals, needs);
  const ago = `were needed ${formatDuration(atMs - highest.atMs)} ago, and are kept for ${formatDuration(goal.holdMs)}`;
  const text = `${need.replicas} would do; ${highest.replicas} ${ago}`;
  const hold: Need = { replicas: clamp(highest.replicas, goal), reason: { kind: "hold", text } };
  return decision(hold, signals, needs);
}

function needOf(goal: ScalingGoal, signals: ScalingSignals): Need {
  if (signals.isTargetDown === true) {
    const text = "the target is down, and more replicas would finish no more";
    return { replicas: clamp(signals.replicas, goal), reason: { kind: "target-down", text } };
  }
  const perHour = signals.perReplicaPerHour;
  if (perHour === undefined || perHour <= 0) return unmeasured(goal, signals);
  const forArrivals = ceil(signals.arrivalsPerHour / perHour);
  const leftMs = Math.max(goal.maxWaitMs - signals.oldestWaitingMs, goal.maxWaitMs / 2, 1);
  const forWait = ceil((signals.backlog * hourMs) / leftMs / perHour);
  const wanted: Need =
    forWait > forArrivals
      ? { replicas: forWait, reason: { kind: "wait", text: waitText(signals.backlog, leftMs, perHour) } }
      : { replicas: forArrivals, reason: { kind: "arrivals", text: arrivalsText(signals.arrivalsPerHour, perHour) } };
  return bounded(fed(wanted, goal, perHour), goal);
}

function unmeasured(goal: ScalingGoal, { replicas, backlog, arrivalsPerHour }: ScalingSignals): Need {
  // A queue that nobody uses must not keep what the others have asked for.
  const isIdle = backlog === 0 && arrivalsPerHour === 0;
  const first = backlog > 0 ? 1 : 0;
  const text = "what one replica finishes is not measured yet";
  return { replicas: clamp(isIdle ? 0 : Math.max(replicas, first), goal), reason: { kind: "unmeasured", text } };
}

/** No more than the queue's rate can feed; the last of them may be fed in part. */
function fed(need: Need, { ratePerHour }: ScalingGoal, perHour: number): Need {
  if (ratePerHour === undefined) return need;
  const most = Math.max(1, ceil(ratePerHour / perHour));
  if (need.replicas <= most) return need;
  const text = `${need.replicas} are needed, but the queue's rate of ${count(ratePerHour)}/h feeds no more than ${most}`;
  return { replicas: most, reason: { kind: "rate", text } };
}

function bounded(need: Need, goal: ScalingGoal): Need {
  if (need.replicas < goal.min) {
    return { replicas: goal.min, reason: { kind: "minimum", text: `${need.replicas} would do, the minimum is kept` } };
  }
  if (need.replicas > goal.max) {
    return { replicas: goal.max, reason: { kind: "maximum", text: `${need.replicas} are needed, past the maximum` } };
  }
  return need;
}

function decision(need: Need, signals: ScalingSignals, memory: ScalingMemory): ScalingDecision {
  const capacityPerHour = need.replicas * (signals.perReplicaPerHour ?? 0);
  const forecastWaitMs = Math.max(expectedWaitMs(signals.backlog, capacityPerHour), signals.oldestWaitingMs);
  return { replicas: need.replicas, reason: need.reason, forecastWaitMs, memory };
}

function clamp(replicas: number, { min, max }: ScalingGoal): number {
  return Math.min(Math.max(replicas, min), max);
}

function ceil(replicas: number): number {
  return Math.ceil(replicas * (1 - tolerance));
}

function waitText(backlog: number, leftMs: number, perHour: number): string {
  return `${count(backlog)} waiting are to be finished in ${formatDuration(leftMs)}, ${count(perHour)}/h by each`;
}

function arrivalsText(arrivalsPerHour: number, perHour: number): string {
  return `${count(arrivalsPerHour)}/h arrive, ${count(perHour)}/h are finished by each`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
