// One line for each attempt, with all that may be said of it. What a handler threw or a target answered is not in it: both
// repeat what they were sent, and a log goes further than the store. The request itself has the whole error.
import type { AttemptFailure } from "../core/retry.ts";
import type { Delivery } from "../core/request.ts";
import type { Logger } from "../telemetry/log.ts";
import type { End } from "./attempt.ts";

export interface AttemptLine {
  readonly delivery: Delivery;
  readonly end: End;
  readonly durationMs: number;
}

/** What ended well is told at the level debug: a line costs as much as a good part of the request. */
export function logAttempt(log: Logger, { delivery, end, durationMs }: AttemptLine): void {
  if (isGood(end)) {
    if (log.isLevelEnabled("debug")) log.debug(lineOf(delivery, durationMs), "attempt done");
    return;
  }
  if (isNone(end)) return log.debug(lineOf(delivery, durationMs), "an attempt has to wait for its receiver");
  const line = lineOf(delivery, durationMs);
  if (end.kind === "cut-off") log.info(line, "attempt cut off by the shutdown");
  else if (end.kind === "failed") log.warn({ ...line, ...failureOf(end.failure) }, "attempt failed");
  else if (end.kind === "unknown") log.warn({ ...line, err: end.message }, "the store went away with the attempt");
  else log.warn(line, "a late outcome was refused");
}

function isGood(end: End): boolean {
  return end.kind === "done" || (end.kind === "committed" && end.result === "settled");
}

/** While a receiver is out there is one for each of its callbacks, again and again: that it is out is told once. */
function isNone(end: End): boolean {
  return end.kind === "failed" && end.failure.code === "receiver-busy";
}

function lineOf({ request, attempt }: Delivery, durationMs: number) {
  const { id, queue, body, acceptedAt } = request;
  return { queue, id, attempt, durationMs: Math.round(durationMs), bytes: body.byteLength, acceptedAt };
}

/** Of these the message is Sluice's own. */
const ownWords: ReadonlySet<string> = new Set(["unreachable", "timeout", "result-too-large"]);

function failureOf({ code, message, isRetryable }: AttemptFailure) {
  if (ownWords.has(code)) return { code, isRetryable, err: message };
  const status = code === "target-status" ? Number(/ (\d{3})/.exec(message)?.[1]) : undefined;
  return { code, isRetryable, status };
}
