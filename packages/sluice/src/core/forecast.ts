// When a backlog drains at the present rates, or that it grows.

export type Forecast =
  | { readonly kind: "idle" }
  | { readonly kind: "drains"; readonly at: number }
  | { readonly kind: "grows"; readonly perMinute: number };

export interface ForecastInput {
  readonly now: number;
  readonly backlog: number;
  readonly arrivalsPerHour: number;
  /** What can be finished in an hour; 0 when nothing is, as in a paused queue. */
  readonly capacityPerHour: number;
}

const hourMs = 3_600_000;
/** Further ahead than this no forecast is worth its name: the backlog counts as growing. */
const horizonMs = 365 * 24 * hourMs;

export function forecast({ now, backlog, arrivalsPerHour, capacityPerHour }: ForecastInput): Forecast {
  if (backlog <= 0) return { kind: "idle" };
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

export interface CapacityInput {
  /** What was finished in the last minute, per hour. */
  readonly finishedPerHour: number;
  /** The queue's set rate per hour, if it has one. */
  readonly ratePerHour: number | undefined;
  /** Whether something waited all through that minute: only then is what was finished all that could be. */
  readonly wasBusy: boolean;
  readonly isPaused: boolean;
}

/** What a queue can finish in an hour: what it showed when it was busy, what it is set to while it was not. */
export function capacityPerHour({ finishedPerHour, ratePerHour, wasBusy, isPaused }: CapacityInput): number {
  if (isPaused) return 0;
  if (ratePerHour === undefined) return finishedPerHour;
  return wasBusy && finishedPerHour > 0 ? Math.min(finishedPerHour, ratePerHour) : ratePerHour;
}
