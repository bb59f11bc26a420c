// The API's values as people read them.
import type { WireFailure, WireForecast, WireQueue, WireRequest } from "@sluice/client";
import { formatDuration } from "../core/duration.ts";
import { formatCount } from "./print.ts";

/** `drains in 35m 00s`, `grows by 1,200 a minute`, `stalled for 2m 05s: the target is down`, `idle` */
function forecastText(forecast: WireForecast, now: number): string {
  switch (forecast.kind) {
    case "idle":
      return "idle";
    case "drains":
      return `drains in ${formatDuration(Math.max(0, Date.parse(forecast.at) - now))}`;
    case "grows":
      return `grows by ${formatCount(forecast.perMinute)} a minute`;
    case "stalled":
      return `stalled for ${formatDuration(Math.max(0, now - Date.parse(forecast.since)))}: ${stallTexts[forecast.reason]}`;
    default:
      return forecast satisfies never;
  }
}

const stallTexts: Readonly<Record<Extract<WireForecast, { kind: "stalled" }>["reason"], string>> = {
  paused: "paused",
  "target-down": "the target is down",
  "no-workers": "no workers",
  "nothing-finishes": "no request finishes",
};

export function queueForecast({ paused, forecast }: WireQueue, now: number): string {
  const text = forecastText(forecast, now);
  return paused && forecast.kind !== "stalled" ? `paused, ${text}` : text;
}

export function failureText(failure: WireFailure | null): string {
  return failure === null ? "" : `${failure.code}: ${failure.message}`;
}

/** A request as names and values; what is absent is left out. */
export function requestFields(request: WireRequest): Record<string, string | undefined> {
  return {
    id: request.id,
    "same as": request.sameAs,
    queue: request.queue,
    key: request.key ?? undefined,
    state: request.state,
    attempts: String(request.attempts),
    accepted: request.acceptedAt,
    started: request.startedAt ?? undefined,
    finished: request.finishedAt ?? undefined,
    replayed: request.replayedAt,
    "next attempt": request.nextAttemptAt ?? undefined,
    order: request.order ?? undefined,
    group: request.group ?? undefined,
    priority: request.priority?.toString(),
    "not before": request.notBefore ?? undefined,
    expires: request.expires ?? undefined,
    expected: request.expectedBy ?? undefined,
    progress:
      request.progress === null || request.progress === undefined ? undefined : JSON.stringify(request.progress),
    "last error": request.lastError === null ? undefined : failureText(request.lastError),
    body: `${formatCount(request.bytes)} bytes, ${request.contentType}`,
  };
}
