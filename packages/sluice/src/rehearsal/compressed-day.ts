// A day's arrivals in less time: the same shape, by the rehearsal's own clock.
import { arrivalsOf, type Arrivals } from "../planner/arrivals.ts";

export interface Compression {
  /** Simulated seconds in a second. */
  readonly speed: number;
  /** How many requests the day is scaled to; undefined leaves it as it is. */
  readonly requests: number | undefined;
}

export function compress({ spans, total, startAt }: Arrivals, { speed, requests = Math.round(total) }: Compression) {
  const scaled = spans.map(({ fromMs, untilMs, count }) => ({
    fromMs: fromMs / speed,
    untilMs: untilMs / speed,
    count: (count * requests) / total,
  }));
  return arrivalsOf(scaled, startAt);
}

export function lengthMsOf({ spans }: Arrivals): number {
  return spans.at(-1)?.untilMs ?? 0;
}

/** When the request of a number arrives, after the start. */
export function arrivalMsOf({ spans }: Arrivals, number: number): number {
  let arrived = 0;
  for (const { fromMs, untilMs, count } of spans) {
    if (number < arrived + count) return fromMs + ((untilMs - fromMs) * (number - arrived)) / count;
    arrived += count;
  }
  return spans.at(-1)?.untilMs ?? 0;
}

/** How many have arrived by a moment after the start. */
export function arrivedBy({ spans, total }: Arrivals, atMs: number): number {
  let arrived = 0;
  for (const { fromMs, untilMs, count } of spans) {
    if (atMs < untilMs) return Math.floor(arrived + (count * Math.max(0, atMs - fromMs)) / (untilMs - fromMs));
    arrived += count;
  }
  return Math.round(total);
}
