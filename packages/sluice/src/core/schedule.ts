// Schedules: when a request is due, which of the ticks that have passed are still submitted, and what a tick's request is. Pure.
import type { NewRequest } from "./request.ts";

/** When it ticks. */
export type Beat =
  | { readonly kind: "cron"; readonly cron: string; readonly timeZone: string }
  /** Counted from 1970-01-01T00:00Z, so that all processes have the same ticks. */
  | { readonly kind: "every"; readonly text: string; readonly everyMs: number };

/** What becomes of ticks that passed while none could be submitted: none is, only the latest, or each of them. */
export const missedPolicies = ["skip", "last", "all"] as const;
export type MissedPolicy = (typeof missedPolicies)[number];

export interface Schedule {
  readonly name: string;
  readonly queue: string;
  readonly beat: Beat;
  readonly missed: MissedPolicy;
  /** JSON. */
  readonly body: Uint8Array;
  /** That of its queue: the URL that is told of the outcome. */
  readonly callback: string | undefined;
}

/** The ticks of a schedule, in milliseconds since 1970. */
export interface Ticks {
  /** The first one after this time; undefined when there is none. */
  next(afterMs: number): number | undefined;
  /** The last one before this time. */
  previous(beforeMs: number): number | undefined;
}

export interface ScheduleStatus extends Pick<Schedule, "name" | "queue" | "beat" | "missed"> {
  readonly nextAt: number | undefined;
  /** The last tick whose request is known; undefined while there is none. */
  readonly last: SubmittedTick | undefined;
}

export interface SubmittedTick {
  readonly at: number;
  readonly id: string;
}

/** A tick this late is on time. */
const lateMsMax = 60_000;
/** As many missed ticks are submitted at most: the newest. */
export const missedMax = 1_000;
/** Those that can be on time, at a tick a second, and the one before. */
const onTimeMax = lateMsMax / 1_000 + 1;

/** Those of `every`; a cron pattern needs a library. */
export function everyTicks(everyMs: number): Ticks {
  return {
    next: (afterMs) => (Math.floor(afterMs / everyMs) + 1) * everyMs,
    previous: (beforeMs) => (Math.ceil(beforeMs / everyMs) - 1) * everyMs,
  };
}

interface DueOptions {
  /** The ticks until then are done with. */
  readonly doneUntil: number;
  readonly now: number;
  readonly missed: MissedPolicy;
}

/** The ticks that have passed and are not done with, the oldest first; only the newest when there are more than matter. */
export function dueTicks(ticks: Ticks, { doneUntil, now, missed }: DueOptions): readonly number[] {
  const max = missed === "all" ? missedMax : onTimeMax;
  const due: number[] = [];
  for (let at = ticks.previous(now + 1); at !== undefined && at > doneUntil && due.length < max;)
    at = ticks.previous(due[due.push(at) - 1] as number);
  return due.toReversed();
}

interface Choice extends Omit<DueOptions, "doneUntil"> {
  readonly startedAt: number;
}

/**
 * Which of the due ticks are submitted. Those of the last minute are on time; of the ticks from before the process started only the
 * latest can be. The others were missed.
 */
export function chooseTicks(due: readonly number[], { now, startedAt, missed }: Choice): readonly number[] {
  if (missed === "all") return due;
  const latest = due.at(-1);
  const onTime = due.filter((at) => at >= now - lateMsMax && (at === latest || at > startedAt));
  return missed === "last" && onTime.length === 0 ? due.slice(-1) : onTime;
}

/** Unique per schedule and tick: however many processes submit it, it is one request (I5). */
export function tickKeyOf(name: string, at: number): string {
  return `schedule:${name}:${tickText(at)}`;
}

export function tickRequestOf({ name, queue, body, callback }: Schedule, at: number): NewRequest {
  return {
    queue,
    key: tickKeyOf(name, at),
    contentType: "application/json",
    headers: { "sluice-schedule": name, "sluice-tick": tickText(at) },
    body,
    callback,
  };
}

/** What makes it the same schedule: one that ticks at other times, or into another queue, is new, and has missed nothing. */
export function definitionOf({ name, queue, beat }: Pick<Schedule, "name" | "queue" | "beat">): string {
  const when = beat.kind === "cron" ? `${beat.cron} ${beat.timeZone}` : `every ${beat.everyMs}ms`;
  return `${name} ${queue} ${when}`;
}

function tickText(at: number): string {
  return new Date(at).toISOString();
}
