// When requests arrive: spans of time side by side, each with a count that is spread evenly over it.
import { parseDuration, parseRate } from "../core/duration.ts";
import { SluiceError } from "../core/errors.ts";

export interface Span {
  /** From the start of the arrivals. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly count: number;
}

export interface Arrivals {
  /** Wall time of the first span. */
  readonly startAt: number;
  /** In order, without gaps, the first from 0. */
  readonly spans: readonly Span[];
  readonly total: number;
  readonly peakPerHour: number;
}

const hourMs = 3_600_000;
/** Longer than any plan is good for. */
export const spanMaxMs = 366 * 24 * hourMs;

/** `"200000/h for 10h"`, or several phases: `"50000/h for 2h, 200000/h for 10h, 0 for 1h"`. */
export function parseArrivals(text: string, startAt: number): Arrivals {
  let fromMs = 0;
  const spans = text.split(",").map((phase) => {
    const match = /^\s*(\S+)\s+for\s+(\S+)\s*$/.exec(phase);
    if (match === null) throw refused(`each phase must read like "200000/h for 10h", got "${phase.trim()}"`);
    const rate = match[1] as string;
    const perHour = /^0(\/[smhd])?$/.test(rate) ? 0 : parseRate(rate);
    const durationMs = parseDuration(match[2] as string);
    if (durationMs <= 0) throw refused(`a phase must last longer than nothing, got "${phase.trim()}"`);
    const span = { fromMs, untilMs: fromMs + durationMs, count: (perHour * durationMs) / hourMs };
    fromMs = span.untilMs;
    return span;
  });
  return arrivalsOf(spans, startAt);
}

export function arrivalsOf(spans: readonly Span[], startAt: number): Arrivals {
  const lengthMs = spans.at(-1)?.untilMs ?? 0;
  if (lengthMs > spanMaxMs) throw refused(`arrivals may span 366 days, got ${Math.ceil(lengthMs / 24 / hourMs)} days`);
  const total = spans.reduce((sum, { count }) => sum + count, 0);
  if (!(total > 0)) throw refused("arrivals must hold at least one request, got none");
  const peakPerHour = spans.reduce(
    (most, { fromMs, untilMs, count }) => Math.max(most, (count * hourMs) / (untilMs - fromMs)),
    0,
  );
  return { startAt, spans, total, peakPerHour };
}

export function refused(message: string): SluiceError {
  return new SluiceError("bad-config", message);
}
