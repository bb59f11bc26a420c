// When a backlog drains at the present rates, that it grows, or that nothing of it is finished at all.
import type { StateCounts } from "./request.ts";

export type Forecast =
  | { readonly kind: "idle" }
  | { readonly kind: "drains"; readonly at: number }
  | { readonly kind: "grows"; readonly perMinute: number }
  /** Something waits, and nothing is delivered. */
  | ({ readonly kind: "stalled" } & Stall);

/** Why nothing is delivered, and since when that is so. */
export interface Stall {
  readonly since: number;
  readonly reason: "paused" | "target-down" | "no-workers";
}

export interface ForecastInput {
  readonly now: number;
  readonly backlog: number;
  /** Why nothing of it is delivered; undefined while something is. */
  readonly stall: Stall | undefined;
  readonly arrivalsPerHour: number;
  /** What can be finished in an hour. */
  readonly capacityPerHour: number;
}

const hourMs = 3_600_000;
/** Further ahead than this no forecast is worth its name: the backlog counts as growing. */
const horizonMs = 365 * 24 * hourMs;

export function forecast({ now, backlog, stall, arrivalsPerHour, capacityPerHour }: ForecastInput): Forecast {
  if (backlog <= 0) return { kind: "idle" };
  if (stall !== undefined) return { kind: "stalled", ...stall };
  const netPerHour = capacityPerHour - arrivalsPerHour;
  const drainMs = netPerHour > 0 ? (backlog / netPerHour) * hourMs : Number.POSITIVE_INFINITY;
  if (drainMs <= horizonMs) return { kind: "drains", at: now + Math.ceil(drainMs) };
  return { kind: "grows", perMinute: Math.max(0, Math.round(-netPerHour / 60)) };
}

/** How long one that arrives now waits for its turn, in milliseconds; infinite when nothing is finished. */
export function expectedWaitMs(backlog: number, capacityPerHour: number): number {
  if (backlog <= 0) return 0;
  return capacityPerHour > 0 ? (backlog / capacityPerHour) * hourMs : Number.POSITIVE_INFINITY;
}

export interface StallInput {
  readonly now: number;
  readonly isPaused: boolean;
  readonly pausedAt: number | undefined;
  readonly workers: number;
  readonly breakersOpen: number;
  /** Since when no worker delivers. */
  readonly stoppedAt: number | undefined;
  readonly counts: Pick<StateCounts, "waiting" | "scheduled">;
}

/**
 * Nothing that is left in a queue is delivered: what waits for its time alone does not miss a worker, and what runs ends
 * after a pause as well. While the target is down, failed requests wait for their retry.
 */
export function stallOf(queue: StallInput): Stall | undefined {
  const { now, counts, isPaused, workers, breakersOpen } = queue;
  const since = (isPaused ? queue.pausedAt : queue.stoppedAt) ?? now;
  if (counts.waiting > 0 && isPaused) return { since, reason: "paused" };
  if (counts.waiting > 0 && workers === 0) return { since, reason: "no-workers" };
  const isDown = workers > 0 && breakersOpen === workers;
  return isDown && !isPaused && counts.waiting + counts.scheduled > 0 ? { since, reason: "target-down" } : undefined;
}

export interface CapacityInput {
  /** What was finished in the last minute, per hour. */
  readonly finishedPerHour: number;
  /** The queue's set rate per hour, if it has one. */
  readonly ratePerHour: number | undefined;
  /** Whether something waited all through that minute: only then is what was finished all that could be. */
  readonly wasBusy: boolean;
}

/** What a queue can finish in an hour: what it showed when it was busy, what it is set to while it was not. */
export function capacityPerHour({ finishedPerHour, ratePerHour, wasBusy }: CapacityInput): number {
  if (ratePerHour === undefined) return finishedPerHour;
  return wasBusy && finishedPerHour > 0 ? Math.min(finishedPerHour, ratePerHour) : ratePerHour;
}
