// What is told about a queue, and what may be expected of it. Pure.
import { busyMsMin, capacityPerHour, expectedWaitMs, forecast, stallOf } from "../core/forecast.ts";
import { nothingCounted, observedPerHour, ratesOf } from "../core/rate-meter.ts";
import { isFinal, states } from "../core/request.ts";
import type { State, StateCounts } from "../core/request.ts";
import type { QueueStatus } from "../engine/engine.ts";
import { noDeliveries } from "../engine/presence.ts";
import type { Forecast, QueueView } from "./schemas.ts";
import { timeText, timeTextOrNull } from "./time-text.ts";

const yearMs = 365 * 86_400_000;
/** Retry-After while nothing is finished and no rate is known. */
const unknownRetryAfterSeconds = 60;

export interface ViewInput {
  readonly now: number;
  readonly ratePerHour: number | undefined;
}

export function viewOfQueue(status: QueueStatus, { now, ratePerHour }: ViewInput): QueueView {
  const { accepting, finishing, counts } = status;
  return {
    name: status.queue,
    paused: status.isPaused,
    accepted: status.accepted,
    backlog: status.backlog,
    backlogBytes: status.backlogBytes,
    oldestWaitingAt: timeTextOrNull(status.oldestWaitingAt),
    workers: status.workers,
    breakersOpen: status.breakersOpen,
    ratePerHour: ratePerHour ?? null,
    counts: { ...counts },
    deliveries: { ...status.deliveries },
    rates: {
      accepted: ratesOf(accepting),
      finished: ratesOf(finishing),
      observedSeconds: Math.floor(accepting.observedMs / 1_000),
    },
    forecast: forecastOf(status, { now, ratePerHour }),
  };
}

function forecastOf(status: QueueStatus, { now, ratePerHour }: ViewInput): Forecast {
  const found = forecast({
    now,
    backlog: status.backlog,
    stall: stallOf({ now, ...status }),
    oldestWaitingMs: oldestWaitingMs(status, now),
    accepted: status.accepting,
    finished: status.finishing,
    capacityPerHour: capacityOf(status, { now, ratePerHour }),
  });
  if (found.kind === "drains") return { kind: "drains", at: timeText(found.at) };
  return found.kind === "stalled" ? { ...found, since: timeText(found.since) } : found;
}

function capacityOf(status: QueueStatus, { now, ratePerHour }: ViewInput): number {
  const wasBusy = oldestWaitingMs(status, now) >= busyMsMin;
  return capacityPerHour({ finishedPerHour: observedPerHour(status.finishing, "m1"), ratePerHour, wasBusy });
}

function oldestWaitingMs({ oldestWaitingAt }: QueueStatus, now: number): number {
  return Math.max(0, now - (oldestWaitingAt ?? now));
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
    workers: 0,
    breakersOpen: 0,
    stoppedAt: undefined,
    deliveries: noDeliveries,
    accepting: nothingCounted,
    finishing: nothingCounted,
  };
}

/** How long a request that arrives now takes to be finished; undefined while no rate is known, or nothing is delivered. */
export function waitMsOf(status: QueueStatus, input: ViewInput): number | undefined {
  if (isStopped(status)) return undefined;
  const capacity = capacityOf(status, input);
  const waitMs = expectedWaitMs(status.backlog, capacity);
  return capacity > 0 && waitMs < yearMs ? waitMs : undefined;
}

/** Whether one that arrives now would not be delivered. */
export function isStopped({ isPaused, workers, breakersOpen }: QueueStatus): boolean {
  return isPaused || breakersOpen === workers;
}

export function retryAfterSeconds(waitMs: number | undefined): number {
  return waitMs === undefined ? unknownRetryAfterSeconds : Math.max(1, Math.ceil(waitMs / 1_000));
}

export interface Progressing {
  readonly state: State;
  readonly acceptedAt: number;
  readonly nextAttemptAt: number | undefined;
}

export interface ExpectationInput {
  readonly now: number;
  /** When the oldest waiting request of its queue was accepted. */
  readonly oldestWaitingAt: number | undefined;
  /** What one that arrives now has to wait. */
  readonly waitMs: number | undefined;
}

/** When a request should be finished: its share of the whole line's wait is its place in the line's ages. */
export function expectedBy(
  request: Progressing,
  { now, oldestWaitingAt, waitMs }: ExpectationInput,
): number | undefined {
  if (isFinal(request.state) || waitMs === undefined) return undefined;
  if (request.state === "running") return now;
  if (request.state === "scheduled") return Math.max(now, request.nextAttemptAt ?? now);
  const oldest = Math.min(oldestWaitingAt ?? request.acceptedAt, now);
  const place = now > oldest ? Math.min(1, Math.max(0, (request.acceptedAt - oldest) / (now - oldest))) : 1;
  return now + Math.ceil(waitMs * place);
}
