// Arrivals that were recorded: a CSV of times and counts, an access log, the times of stored requests.
import { arrivalsOf, refused, type Arrivals, type Span } from "./arrivals.ts";

export type Lines = AsyncIterable<string> | Iterable<string>;

const minuteMs = 60_000;
const spansMax = 366 * 24 * 60;
const shownCharsMax = 200;
const months = "JanFebMarAprMayJunJulAugSepOctNovDec";

/**
 * Rows of `time,count` in order, the time as ISO 8601 or in seconds since 1970; a row's count is spread until the
 * next row, the last row's over as long as the one before it (a minute when it is alone). A heading is passed over.
 */
export async function parseCsv(lines: Lines): Promise<Arrivals> {
  const rows: { at: number; count: number }[] = [];
  for await (const [index, line] of numbered(lines)) {
    const [time = "", number = ""] = line.split(/[,;]/).map((cell) => cell.trim().replaceAll('"', ""));
    const at = timeOf(time);
    const count = number === "" ? Number.NaN : Number(number);
    if (index === 1 && Number.isNaN(at)) continue; // the heading
    const isRow = Number.isFinite(at) && Number.isFinite(count) && count >= 0;
    if (!isRow) throw refused(`line ${index} must be a time and a count of 0 or more, got "${shown(line)}"`);
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
export async function parseAccessLog(lines: Lines): Promise<Arrivals> {
  const minutes = new Minutes();
  for await (const [index, line] of numbered(lines)) {
    const match = /^\S+ \S+ .*?\[(\d{2})\/(\w{3})\/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{2})(\d{2})\] "/.exec(line);
    const [, day, name = "", year, time, zoneHours, zoneMinutes] = match ?? [];
    const month = String(months.indexOf(name) / 3 + 1).padStart(2, "0");
    const at = Date.parse(`${year}-${month}-${day}T${time}${zoneHours}:${zoneMinutes}`);
    if (Number.isNaN(at)) throw refused(`line ${index} is not of the common or combined log format: "${shown(line)}"`);
    minutes.add(at);
  }
  return minutes.arrivals();
}

/** In any order. */
export function countByMinute(times: readonly number[]): Arrivals {
  const minutes = new Minutes();
  for (const at of times) minutes.add(at);
  return minutes.arrivals();
}

/** Counts as it goes: a log may be larger than memory. */
class Minutes {
  readonly #counts = new Map<number, number>();
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  add(at: number): void {
    const minute = Math.floor(at / minuteMs);
    this.#counts.set(minute, (this.#counts.get(minute) ?? 0) + 1);
    this.#first = Math.min(this.#first, minute);
    this.#last = Math.max(this.#last, minute);
    if (this.#last - this.#first < spansMax) return;
    throw refused(`arrivals may span 366 days, got ${Math.ceil((this.#last - this.#first) / 1_440)} days`);
  }

  arrivals(): Arrivals {
    if (this.#counts.size === 0) throw refused("arrivals must hold at least one request, got none");
    const spans: Span[] = [];
    for (let minute = this.#first; minute <= this.#last; minute += 1) {
      const fromMs = (minute - this.#first) * minuteMs;
      spans.push({ fromMs, untilMs: fromMs + minuteMs, count: this.#counts.get(minute) ?? 0 });
    }
    return arrivalsOf(spans, this.#first * minuteMs);
  }
}

function timeOf(text: string): number {
  if (text === "") return Number.NaN;
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1_000 : Date.parse(text);
}

function shown(line: string): string {
  return line.length <= shownCharsMax ? line : `${line.slice(0, shownCharsMax)}…`;
}

/** Those with something in them, counted from 1. */
async function* numbered(lines: Lines): AsyncGenerator<readonly [number, string]> {
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() !== "") yield [number, line.trimEnd()];
  }
}
