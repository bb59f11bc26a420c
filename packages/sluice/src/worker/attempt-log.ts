// One line for each attempt, with all that is known of it: no body, no key, nothing of the target's address.
import type { Delivery } from "../core/request.ts";
import type { Logger } from "../telemetry/log.ts";
import type { End } from "./attempt.ts";

export function logAttempt(
  log: Logger,
  { request: { id, queue }, attempt }: Delivery,
  end: End,
  durationMs: number,
): void {
  const line = { queue, id, attempt, durationMs: Math.round(durationMs) };
  if (end.kind === "cut-off") log.info(line, "attempt cut off by the shutdown");
  else if (end.kind === "failed")
    log.warn({ ...line, code: end.failure.code, err: end.failure.message }, "attempt failed");
  else if (end.kind === "unknown") log.warn({ ...line, err: end.message }, "the store went away with the attempt");
  else if (end.kind === "committed" && end.result === "superseded") log.warn(line, "a late outcome was refused");
  else if (log.isLevelEnabled("debug")) log.debug(line, "attempt done");
}
