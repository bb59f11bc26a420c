// What is told about a queue, and what may be expected of it. Pure.
import type { Standstill } from "../core/finish-estimate.ts";
import { forecast, stallOf } from "../core/forecast.ts";
import { nothingCounted, observedPerHour, ratesOf } from "../core/rate-meter.ts";
import { isFinal, states } from "../core/request.ts";
import type { State, StateCounts } from "../core/request.ts";
import type { QueueStatus } from "../engine/engine.ts";
import { noDeliveries } from "../engine/engine.ts";
import type { Forecast, QueueView } from "./schemas.ts";
import { timeText, timeTextOrNull } from "./time-text.ts";

/** Retry-After while nothing is finished and no rate is known. */
const unknownRetryAfterSeconds = 60;
/** What is due within this time is tried again and again; what is due later waits for its time. */
export const soonMs = 60_000;

export interface ViewInput {
  readonly now: number;
  readonly ratePerHour: number | undefined;
  /** What the queue can finish in an hour: measured while it was busy, or set. */
  readonly capacityPerHour: number | undefined;
  readonly standstill: Standstill | undefined;
}

export function viewOfQueue(status: QueueStatus, input: ViewInput): QueueView {
  const { accepting, finishing, counts } = status;
  return {
    name: status.queue,
    paused: status.isPaused,
    accepted: status.accepted,
    ...(status.spooled !== undefined && { spooled: status.spooled }),
    backlog: status.backlog,
    backlogBytes: status.backlogBytes,
    oldestWaitingAt: timeTextOrNull(status.oldestWaitingAt),
    workers: status.workers,
    breakersOpen: status.breakersOpen,
    ratePerHour: input.ratePerHour ?? null,
    counts: { ...counts },
    deliveries: { ...status.deliveries },
    rates: {
      accepted: ratesOf(accepting),
      finished: ratesOf(finishing),
      observedSeconds: Math.floor(accepting.observedMs / 1_000),
    },
    forecast: forecastOf(status, input),
  };
}

function forecastOf(status: QueueStatus, { now, standstill, ...input }: ViewInput): Forecast {
  const capacityPerHour = input.capacityPerHour ?? observedPerHour(status.finishing, "m1");
  const found = forecast({
    now,
    backlog: status.backlog,
    stall: stallOf({ now, ...status, stuckSince: standstill?.isLong === true ? standstill.since : undefined }),
    oldestWaitingMs: Math.max(0, now - (status.oldestWaitingAt ?? now)),
    lastDueAt: status.lastDueAt,
    accepted: status.accepting,
    finished: status.finishing,
    capacityPerHour,
  });
  if (found.kind === "drains") return { kind: "drains", at: timeText(found.at) };
  return found.kind === "stalled" ? { ...found, since: timeText(found.since) } : found;
}

/** A queue that is configured and has not been used yet. */
export function unusedQueue(queue: string): QueueStatus {
  return {
    queue,
    isPaused: false,
    pausedAt: undefined,
    accepted: 0,
    backlog: 0,
    backlogBytes: 0,
    oldestWaitingAt: undefined,
    counts: Object.fromEntries(states.map((state) => [state, 0])) as StateCounts,
    firstDueAt: undefined,
    lastDueAt: undefined,
    workers: 0,
    breakersOpen: 0,
    stoppedAt: undefined,
    deliveries: noDeliveries,
    accepting: nothingCounted,
    finishing: nothingCounted,
    replicasAsked: undefined,
  };
}

/** Whether one that arrives now would not be delivered. */
export function isStopped({ isPaused, workers, breakersOpen }: QueueStatus): boolean {
  return isPaused || breakersOpen === workers;
}

/** Whether something of it could be finished now or soon; what is under way goes on while deliveries are stopped. */
export function isTried(status: QueueStatus, now: number): boolean {
  const { counts, firstDueAt } = status;
  if (counts.running > 0) return true;
  return !isStopped(status) && (counts.waiting > 0 || (firstDueAt !== undefined && firstDueAt - now < soonMs));
}

export function retryAfterSeconds(waitMs: number | undefined): number {
  return waitMs === undefined ? unknownRetryAfterSeconds : Math.max(1, Math.ceil(waitMs / 1_000));
}

export interface Progressing {
  readonly state: State;
  readonly acceptedAt: number;
  readonly startedAt: number | undefined;
  readonly nextAttemptAt: number | undefined;
}

export interface ExpectationInput {
  readonly now: number;
  /** When the oldest waiting request of its queue was accepted. */
  readonly oldestWaitingAt: number | undefined;
  /** Within how long this part of the line is finished, from now; of none of it, one whose turn has come. */
  readonly withinMs: (share: number) => number | undefined;
}

/** When a request should be finished: its place in the line is its place in the line's ages. */
export function expectedBy(
  request: Progressing,
  { now, oldestWaitingAt, withinMs }: ExpectationInput,
): number | undefined {
  if (isFinal(request.state)) return undefined;
  if (request.state === "waiting") {
    const oldest = Math.min(oldestWaitingAt ?? request.acceptedAt, now);
    const place = now > oldest ? Math.min(1, Math.max(0, (request.acceptedAt - oldest) / (now - oldest))) : 1;
    const lineMs = withinMs(place);
    return lineMs === undefined ? undefined : Math.ceil(now + lineMs);
  }
  const turnMs = withinMs(0);
  if (turnMs === undefined) return undefined;
  if (request.state === "running") return Math.ceil(Math.max(now, (request.startedAt ?? now) + turnMs));
  if (request.nextAttemptAt === undefined) return undefined;
  return Math.ceil(Math.max(now, request.nextAttemptAt) + turnMs);
}
