// When a backlog drains at the present rates, that it grows, or that nothing of it is finished at all.
import { observedPerHour, type WindowCounts } from "./rate-meter.ts";
import type { StateCounts } from "./request.ts";

export type Forecast =
  | { readonly kind: "idle" }
  | { readonly kind: "drains"; readonly at: number }
  | { readonly kind: "grows"; readonly perMinute: number }
  /** Something waits, and nothing is delivered or finished. */
  | ({ readonly kind: "stalled" } & Stall);

/** Why nothing is delivered or finished, and since when that is so. */
export interface Stall {
  readonly since: number;
  readonly reason: "paused" | "target-down" | "no-workers" | "nothing-finishes";
}

export interface ForecastInput {
  readonly now: number;
  readonly backlog: number;
  /** Why nothing of it is delivered or finished; undefined while something is. */
  readonly stall: Stall | undefined;
  /** How long the oldest that waits has waited; 0 when none does. */
  readonly oldestWaitingMs: number;
  /** When the last of what is scheduled is due; undefined while nothing is. */
  readonly lastDueAt: number | undefined;
  readonly accepted: WindowCounts;
  readonly finished: WindowCounts;
  /** What can be finished in an hour; 0 when that is not known. */
  readonly capacityPerHour: number;
}

const minuteMs = 60_000;
const hourMs = 3_600_000;
/** No forecast looks further ahead. */
const horizonMs = 365 * 24 * hourMs;
/** From here on what is finished is all that can be finished. */
const busyMsMin = minuteMs;

/** Growth is at least so many requests, in the backlog and since the window began: fewer come and go in a healthy queue. */
const growthRequestsMin = 30;
/** And at least this part of what arrived: the rest is chance. */
const growthShareMin = 0.05;
/** It lasts: in the short window, and in what was observed of the long one before it, which is as long at least. */
const growthWindows = [
  { short: "m1", long: "m5", shortMs: minuteMs, longMs: 5 * minuteMs },
  { short: "m5", long: "h1", shortMs: 5 * minuteMs, longMs: hourMs },
] as const;
/** While more waits than can be finished at once, so much of the capacity at least is taken to be left for it. */
const spareShareMin = 0.05;

export function forecast(input: ForecastInput): Forecast {
  const { now, backlog, stall } = input;
  if (backlog <= 0) return { kind: "idle" };
  if (stall !== undefined) return { kind: "stalled", ...stall };
  const perMinute = growthPerMinute(input);
  if (perMinute > 0) return { kind: "grows", perMinute };
  const drainedAt = now + Math.min(horizonMs, Math.ceil(drainMs(input)));
  return { kind: "drains", at: Math.max(drainedAt, input.lastDueAt ?? now) };
}

/** By how much the backlog has grown, measured; 0 when that is too little, or not for long enough, to go on. */
function growthPerMinute({ backlog, accepted, finished }: ForecastInput): number {
  if (backlog < growthRequestsMin) return 0;
  for (const { short, long, shortMs, longMs } of growthWindows) {
    if (accepted.observedMs < 2 * shortMs) continue;
    const lately = { arrived: accepted[short], grown: accepted[short] - finished[short] };
    const whole = { arrived: accepted[long], grown: accepted[long] - finished[long] };
    const before = { arrived: whole.arrived - lately.arrived, grown: whole.grown - lately.grown };
    const lasts = [lately, before].every(({ arrived, grown }) => grown > 0 && grown >= growthShareMin * arrived);
    if (lasts && whole.grown >= growthRequestsMin)
      return Math.max(1, Math.round(whole.grown / (Math.min(longMs, accepted.observedMs) / minuteMs)));
  }
  return 0;
}

function drainMs({ backlog, oldestWaitingMs, accepted, capacityPerHour }: ForecastInput): number {
  // Nothing was finished yet, and not for long: each takes as long at least as the oldest has waited.
  if (capacityPerHour <= 0) return backlog * Math.max(1_000, oldestWaitingMs);
  // A queue that keeps up has more capacity than it shows: what waits is gone as soon as its turn has come.
  const taken = oldestWaitingMs < busyMsMin ? 0 : observedPerHour(accepted, "m1");
  return (backlog / Math.max(capacityPerHour - taken, spareShareMin * capacityPerHour)) * hourMs;
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
  /** Since when nothing of what is tried is finished, for too long. */
  readonly stuckSince: number | undefined;
  readonly counts: Pick<StateCounts, "waiting" | "scheduled">;
}

/**
 * Nothing that is left in a queue is delivered, or nothing of it is finished: what waits for its time alone does not miss a
 * worker, and what runs ends after a pause as well. While the target is down, failed requests wait for their retry.
 */
export function stallOf(queue: StallInput): Stall | undefined {
  const { now, counts, isPaused, workers, breakersOpen } = queue;
  const since = (isPaused ? queue.pausedAt : queue.stoppedAt) ?? now;
  if (counts.waiting > 0 && isPaused) return { since, reason: "paused" };
  if (counts.waiting > 0 && workers === 0) return { since, reason: "no-workers" };
  const isDown = workers > 0 && breakersOpen === workers;
  if (isDown && !isPaused && counts.waiting + counts.scheduled > 0) return { since, reason: "target-down" };
  return queue.stuckSince === undefined ? undefined : { since: queue.stuckSince, reason: "nothing-finishes" };
}
