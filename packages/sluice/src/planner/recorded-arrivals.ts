// Arrivals that were recorded: a CSV of times and counts, an access log, the times of stored requests.
import { arrivalsOf, refused, type Arrivals, type Span } from "./arrivals.ts";

const minuteMs = 60_000;
const spansMax = 366 * 24 * 60;
const months = "JanFebMarAprMayJunJulAugSepOctNovDec";

/**
 * Rows of `time,count` in order, the time as ISO 8601 or in seconds since 1970; a row's count is spread until the
 * next row, the last row's over as long as the one before it (a minute when it is alone). A heading is passed over.
 */
export function parseCsv(text: string): Arrivals {
  const rows: { at: number; count: number }[] = [];
  for (const [index, line] of linesOf(text)) {
    const [time = "", number = ""] = line.split(/[,;]/).map((cell) => cell.trim().replaceAll('"', ""));
    const at = timeOf(time);
    const count = number === "" ? Number.NaN : Number(number);
    if (index === 1 && Number.isNaN(at)) continue; // the heading
    const isRow = Number.isFinite(at) && Number.isFinite(count) && count >= 0;
    if (!isRow) throw refused(`line ${index} must be a time and a count of 0 or more, got "${line}"`);
    const before = rows.at(-1);
    if (before && at <= before.at) throw refused(`line ${index} must be later than the line before it, got "${time}"`);
    rows.push({ at, count });
  }
  const startAt = rows[0]?.at ?? 0;
  const lastMs = rows.length > 1 ? (rows.at(-1)?.at ?? 0) - (rows.at(-2)?.at ?? 0) : minuteMs;
  const spans = rows.map(({ at, count }, index) => {
    const untilAt = rows[index + 1]?.at ?? at + lastMs;
    return { fromMs: at - startAt, untilMs: untilAt - startAt, count };
  });
  return arrivalsOf(spans, startAt);
}

/** A web server's access log in the common or combined format: a request per line, counted by the minute. */
export function parseAccessLog(text: string): Arrivals {
  const times: number[] = [];
  for (const [index, line] of linesOf(text)) {
    const match = /^\S+ \S+ .*?\[(\d{2})\/(\w{3})\/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{2})(\d{2})\] "/.exec(line);
    const [, day, name = "", year, time, zoneHours, zoneMinutes] = match ?? [];
    const month = String(months.indexOf(name) / 3 + 1).padStart(2, "0");
    const at = Date.parse(`${year}-${month}-${day}T${time}${zoneHours}:${zoneMinutes}`);
    if (Number.isNaN(at)) throw refused(`line ${index} is not of the common or combined log format: "${line}"`);
    times.push(at);
  }
  return countByMinute(times);
}

/** In any order. */
export function countByMinute(times: readonly number[]): Arrivals {
  const minutes = new Map<number, number>();
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const at of times) {
    const minute = Math.floor(at / minuteMs);
    minutes.set(minute, (minutes.get(minute) ?? 0) + 1);
    first = Math.min(first, minute);
    last = Math.max(last, minute);
  }
  if (minutes.size === 0) throw refused("arrivals must hold at least one request, got none");
  if (last - first >= spansMax)
    throw refused(`arrivals may span 366 days, got ${Math.ceil((last - first) / 1_440)} days`);
  const spans: Span[] = [];
  for (let minute = first; minute <= last; minute += 1) {
    const fromMs = (minute - first) * minuteMs;
    spans.push({ fromMs, untilMs: fromMs + minuteMs, count: minutes.get(minute) ?? 0 });
  }
  return arrivalsOf(spans, first * minuteMs);
}

function timeOf(text: string): number {
  if (text === "") return Number.NaN;
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1_000 : Date.parse(text);
}

function* linesOf(text: string): Generator<readonly [number, string]> {
  for (const [index, line] of text.split(/\r?\n/).entries()) if (line.trim() !== "") yield [index + 1, line];
}
