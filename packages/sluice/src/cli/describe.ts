// The API's values as people read them.
import type { WireFailure, WireForecast, WireQueue, WireRequest } from "@sluice/client";
import { formatDuration } from "../core/duration.ts";
import { formatCount } from "./print.ts";

/** `drains in 35m 00s`, `grows by 1,200 a minute`, `idle` */
function forecastText(forecast: WireForecast, now: number): string {
  switch (forecast.kind) {
    case "idle":
      return "idle";
    case "drains":
      return `drains in ${formatDuration(Math.max(0, Date.parse(forecast.at) - now))}`;
    case "grows":
      return `grows by ${formatCount(forecast.perMinute)} a minute`;
    default:
      return forecast satisfies never;
  }
}

export function queueForecast({ paused, forecast }: WireQueue, now: number): string {
  return paused ? `paused, ${forecastText(forecast, now)}` : forecastText(forecast, now);
}

export function failureText(failure: WireFailure | null): string {
  return failure === null ? "" : `${failure.code}: ${failure.message}`;
}

/** A request as names and values; what is absent is left out. */
export function requestFields(request: WireRequest): Record<string, string | undefined> {
  return {
    id: request.id,
    queue: request.queue,
    key: request.key ?? undefined,
    state: request.state,
    attempts: String(request.attempts),
    accepted: request.acceptedAt,
    started: request.startedAt ?? undefined,
    finished: request.finishedAt ?? undefined,
    "next attempt": request.nextAttemptAt ?? undefined,
    expected: request.expectedBy ?? undefined,
    progress:
      request.progress === null || request.progress === undefined ? undefined : JSON.stringify(request.progress),
    "last error": request.lastError === null ? undefined : failureText(request.lastError),
    body: `${formatCount(request.bytes)} bytes, ${request.contentType}`,
  };
}
