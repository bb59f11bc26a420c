// Numbers and times as people read them.
import type { WireCarriers, WireDeliveries, WireForecast, WireGroup } from "@sluice/client";

const counts = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function countWords(count: number): string {
  return counts.format(count);
}

/** "1 request", "1,200 requests". */
export function countOf(count: number, noun: string): string {
  return `${countWords(count)} ${noun}${count === 1 ? "" : "s"}`;
}

const units: readonly (readonly [limit: number, divisor: number, suffix: string])[] = [
  [1e4, 1, ""],
  [1e6, 1e3, "k"],
  [1e9, 1e6, "M"],
  [Number.POSITIVE_INFINITY, 1e9, "G"],
];

/** For the axes of charts: 9,500, 12k, 1.5M. */
export function shortCount(count: number): string {
  const [, divisor, suffix] = units.find(([limit]) => Math.abs(count) < limit) ?? [0, 1, ""];
  const scaled = count / divisor;
  return `${divisor === 1 ? countWords(scaled) : Number(scaled.toFixed(1))}${suffix}`;
}

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export function durationWords(ms: number): string {
  if (ms < secondMs) return "under a second";
  if (ms < minuteMs) return `${Math.floor(ms / secondMs)} s`;
  if (ms < hourMs) return `${Math.floor(ms / minuteMs)} min`;
  if (ms < 2 * dayMs) return twoUnits(Math.floor(ms / minuteMs), 60, ["h", "min"]);
  return countOf(Math.floor(ms / dayMs), "day");
}

function twoUnits(small: number, perBig: number, [bigUnit, smallUnit]: readonly [string, string]): string {
  const rest = small % perBig;
  return `${Math.floor(small / perBig)} ${bigUnit}${rest === 0 ? "" : ` ${rest} ${smallUnit}`}`;
}

export function agoWords(at: string | number, now: number): string {
  const ms = now - timeOf(at);
  return ms < secondMs ? "just now" : `${durationWords(ms)} ago`;
}

export function inWords(at: string | number, now: number): string {
  const ms = timeOf(at) - now;
  return ms < secondMs ? "now" : `in ${durationWords(ms)}`;
}

export interface ForecastInput {
  readonly forecast: WireForecast;
  readonly now: number;
}

const stallWords: Readonly<Record<Extract<WireForecast, { kind: "stalled" }>["reason"], string>> = {
  paused: "deliveries are paused",
  "target-down": "the target is down",
  "no-workers": "no worker is present",
  "nothing-finishes": "no request finishes",
};

/** "drains in 35 min", "grows by 1,200 a minute", "stalled for 5 min: the target is down". */
export function forecastWords({ forecast, now }: ForecastInput): string {
  switch (forecast.kind) {
    case "idle":
      return "nothing waits";
    case "drains":
      return `drains in ${durationWords(Math.max(secondMs, Date.parse(forecast.at) - now))}`;
    case "grows":
      return `grows by ${countWords(forecast.perMinute)} a minute`;
    case "stalled":
      return `stalled for ${durationWords(now - Date.parse(forecast.since))}: ${stallWords[forecast.reason]}`;
    default:
      return forecast satisfies never;
  }
}

/** What workers hold beside the requests that run, and the limit that they found: " of 12 found + 2 claimed + 5 committing". */
export function besideWords({ claimed, committing, limit }: WireDeliveries): string {
  const beside = Object.entries({ claimed, committing })
    .filter(([, count]) => count > 0)
    .map(([phase, count]) => ` + ${countWords(count)} ${phase}`)
    .join("");
  return limit === undefined ? beside : ` of ${countWords(limit)} found${beside}`;
}

/** The servers that a cluster uses beside PostgreSQL. */
export function carrierWords({ hints, notices }: WireCarriers): string {
  const servers = [...(hints === "rabbitmq" ? ["RabbitMQ"] : []), ...(notices === "redis" ? ["Redis"] : [])];
  return servers.length === 0 ? "PostgreSQL alone" : `with ${servers.join(" and ")}`;
}

export function rateWords(perHour: number): string {
  return `${countWords(perHour)}/h`;
}

/** What was set for a group: "weight 3, 8 at once, 1,000/h, up to 500 in the backlog". */
export function groupLimitWords({ weight, concurrency, ratePerHour, backlogMax }: WireGroup): string {
  const set = [
    ...(weight === 1 ? [] : [`weight ${weight}`]),
    ...(concurrency === null ? [] : [`${countWords(concurrency)} at once`]),
    ...(ratePerHour === null ? [] : [ratePerHour < 1 ? "under 1/h" : rateWords(ratePerHour)]),
    ...(backlogMax === null ? [] : [`up to ${countWords(backlogMax)} in the backlog`]),
  ];
  return set.length === 0 ? "–" : set.join(", ");
}

/** The time, and in how long it is while it lies ahead: "18:00:00, in 2 h". */
export function timeAheadWords(at: string, now: number): string {
  return `${timeWords(at, now)}${timeOf(at) > now ? `, ${inWords(at, now)}` : ""}`;
}

/** The rate of the last minute, once a whole one was observed. */
export function measuredWords(perHour: number, observedSeconds: number): string {
  return observedSeconds < 60 ? "–" : rateWords(perHour);
}

/** Of which time the counts of the last hour are: "last hour", "last 2 min". */
export function observedWords(observedSeconds: number): string {
  return observedSeconds < 3_600 ? `last ${durationWords(Math.max(1, observedSeconds) * secondMs)}` : "last hour";
}

export function bytesWords(bytes: number): string {
  if (bytes < 1024) return countOf(bytes, "byte");
  const [size, unit] =
    bytes < 1024 ** 2
      ? [bytes / 1024, "KiB"]
      : bytes < 1024 ** 3
        ? [bytes / 1024 ** 2, "MiB"]
        : [bytes / 1024 ** 3, "GiB"];
  return `${size < 10 ? size.toFixed(1) : countWords(size)} ${unit}`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayAndClock = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** In the reader's own time zone; the day only when it is not today. */
export function timeWords(at: string | number, now: number): string {
  const time = new Date(timeOf(at));
  return (time.toDateString() === new Date(now).toDateString() ? clock : dayAndClock).format(time);
}

function timeOf(at: string | number): number {
  return typeof at === "number" ? at : Date.parse(at);
}
