// Arrivals that were recorded: a CSV of times and counts, an access log, the times of stored requests.
import { arrivalsOf, refused, spanMaxMs, type Arrivals, type Span } from "./arrivals.ts";

/** A row of a CSV counts until the next one; each line of a log is a request. */
export type RecordingKind = "csv" | "access-log";

interface Row {
  readonly at: number;
  readonly count: number;
}

const secondMs = 1_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
const shownCharsMax = 200;
/** Of the common and the combined format, and with a fraction of the second, as some servers can be told to log. */
const logTime =
  /^\S+ \S+ .*?\[(0[1-9]|[12]\d|3[01])\/(\w{3})\/(\d{4}):([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)([.,]\d+)? ([+-])(\d\d)(\d\d)\] "/;
const months = "JanFebMarAprMayJunJulAugSepOctNovDec";

/**
 * Takes a recording line by line, with flat memory: it may be larger than that. What cannot be read is skipped, since one line
 * that was cut off is no reason to refuse a million others.
 */
export class Recording {
  readonly #kind: RecordingKind;
  readonly #counts = new Counts();
  /** A log tells seconds; some tell fractions of them. */
  #unitMs = secondMs;
  lineCount = 0;
  skippedCount = 0;
  /** Why the first one was. */
  firstSkipped: string | undefined;

  constructor(kind: RecordingKind) {
    this.#kind = kind;
  }

  add(text: string): void {
    this.lineCount += 1;
    const line = text.replace(/^\uFEFF/, "").trim(); // files with a byte order mark may have been joined
    if (line === "") return;
    if (this.#kind === "csv") this.#addRow(line);
    else this.#addRequest(line);
  }

  skip(reason: string): void {
    this.skippedCount += 1;
    this.firstSkipped ??= reason;
  }

  /** Without what is so far from the middle that it can only be a clock's error: it would stretch the whole recording. */
  arrivals(): Arrivals {
    const all = this.#counts.inOrder();
    const middle = all[all.length >> 1];
    if (middle === undefined) throw refused(this.firstSkipped ?? "arrivals must hold at least one request, got none");
    const rows = all.filter((row) => Math.abs(row.at - middle.at) <= spanMaxMs || this.#skipFar(row, middle));
    return this.#kind === "csv" ? spreadUntilNext(rows) : asTheyCame(rows, Math.max(this.#counts.unitMs, this.#unitMs));
  }

  #skipFar({ at, count }: Row, middle: Row): false {
    const [time, middleTime] = [at, middle.at].map((one) => new Date(one).toISOString());
    this.skip(`${time} is more than 366 days away from the middle of the recording, ${middleTime}`);
    if (this.#kind === "access-log") this.skippedCount += count - 1;
    return false;
  }

  /** `time,count`, the cells perhaps quoted. A heading is passed over. */
  #addRow(line: string): void {
    const separator = separatorOf(line);
    const [time = "", number = ""] = cellsOf(line, separator);
    const row = { at: timeOf(time), count: numberOf(number) };
    const isHeading = this.lineCount === 1 && Number.isNaN(row.at) && Number.isNaN(row.count);
    if (separator === ";" && /^\d{1,3}\.\d{3}$/.test(number))
      this.skip(
        `line ${this.lineCount}: ${number} may be ${number.replace(".", "")} or ${row.count}: write the count without the dot`,
      );
    else if (Number.isFinite(row.at) && Number.isFinite(row.count)) this.#counts.add(row);
    else if (!isHeading) this.skip(`line ${this.lineCount} ${rowRule}, got "${shown(line)}"`);
  }

  /** A web server's access log in the common or combined format: a request per line. */
  #addRequest(line: string): void {
    const match = logTime.exec(line);
    const [, day, month = "", year, hour, minute, second, fraction = "", sign, zoneHours, zoneMinutes] = match ?? [];
    const zoneMs = (Number(zoneHours) * hourMs + Number(zoneMinutes) * minuteMs) * (sign === "-" ? -1 : 1);
    const date = [Number(year), months.indexOf(month) / 3, Number(day)] as const;
    const time = Date.UTC(...date, Number(hour), Number(minute), Number(second)); // 60, a leap second, is the next
    if (match === null || !Number.isInteger(date[1]))
      return this.skip(`line ${this.lineCount} is not of the common or combined log format: "${shown(line)}"`);
    if (fraction !== "") this.#unitMs = 1;
    this.#counts.add({ at: time - zoneMs + Number(fraction.replace(",", ".")) * secondMs, count: 1 });
  }
}

/** When stored requests arrived, in any order. */
export function countTimes(times: readonly number[]): Arrivals {
  const counts = new Counts();
  for (const at of times) counts.add({ at, count: 1 });
  if (counts.isEmpty) throw refused("arrivals must hold at least one request, got none");
  return asTheyCame(counts.inOrder(), counts.unitMs);
}

/** A week by the second, or a year by the minute. */
const countsMax = 700_000;
const unitsMs = [1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000] as const;

/** Counts by the millisecond, and more coarsely what would take too many. */
class Counts {
  #byTime = new Map<number, number>();
  #unit = 0;

  get isEmpty(): boolean {
    return this.#byTime.size === 0;
  }

  get unitMs(): number {
    return unitsMs[this.#unit] as number;
  }

  add({ at, count }: Row): void {
    const time = Math.floor(at / this.unitMs) * this.unitMs;
    this.#byTime.set(time, (this.#byTime.get(time) ?? 0) + count);
    if (this.#byTime.size > countsMax && this.#unit < unitsMs.length - 1) this.#coarsen();
  }

  inOrder(): readonly Row[] {
    return [...this.#byTime].map(([at, count]) => ({ at, count })).toSorted((a, b) => a.at - b.at);
  }

  #coarsen(): void {
    const finer = this.#byTime;
    this.#byTime = new Map();
    this.#unit += 1;
    for (const [at, count] of finer) this.add({ at, count });
  }
}

/** Each count within the time that it was told by, and nothing between. */
function asTheyCame(rows: readonly Row[], unitMs: number): Arrivals {
  const startAt = rows[0]?.at ?? 0;
  const spans: Span[] = [];
  let untilMs = 0;
  for (const { at, count } of rows) {
    const fromMs = at - startAt;
    if (fromMs > untilMs) spans.push({ fromMs: untilMs, untilMs: fromMs, count: 0 });
    untilMs = fromMs + unitMs;
    spans.push({ fromMs, untilMs, count });
  }
  return recorded(spans, startAt);
}

/** The last row's count over as long as the one before it, a minute when it is alone. */
function spreadUntilNext(rows: readonly Row[]): Arrivals {
  const startAt = rows[0]?.at ?? 0;
  const lastMs = rows.length > 1 ? (rows.at(-1)?.at ?? 0) - (rows.at(-2)?.at ?? 0) : minuteMs;
  const spans = rows.map(({ at, count }, index) => {
    const untilAt = rows[index + 1]?.at ?? at + lastMs;
    return { fromMs: at - startAt, untilMs: untilAt - startAt, count };
  });
  return recorded(spans, startAt);
}

/** A few in one second are no rate of an hour: the peak is that of a minute. */
function recorded(spans: readonly Span[], startAt: number): Arrivals {
  return { ...arrivalsOf(spans, startAt), peakPerHour: busiestMinute(spans) * 60 };
}

function busiestMinute(spans: readonly Span[]): number {
  let most = 0;
  let after = 0; // the first span that does not end within the minute
  let whole = 0; // of those from this one to that one
  for (const [index, { fromMs, count }] of spans.entries()) {
    const endMs = fromMs + minuteMs;
    after = Math.max(after, index);
    for (let span = spans[after]; span !== undefined && span.untilMs <= endMs; span = spans[after]) {
      whole += span.count;
      after += 1;
    }
    const last = spans[after];
    const share = last === undefined ? 0 : Math.max(0, endMs - last.fromMs) / (last.untilMs - last.fromMs);
    most = Math.max(most, whole + share * (last?.count ?? 0));
    if (after > index) whole -= count;
  }
  return most;
}

/** A semicolon outside of quotes is what separates, if there is one: then a comma may be in a number. */
function separatorOf(line: string): ";" | "," {
  return line.replace(/"[^"]*"/g, "").includes(";") ? ";" : ",";
}

function cellsOf(line: string, separator: ";" | ","): readonly string[] {
  const cell = new RegExp(`(?:^|${separator})\\s*(?:"([^"]*)"|([^${separator}]*))`, "g");
  return [...line.matchAll(cell)].map(([, quoted, plain = ""]) => (quoted ?? plain).trim());
}

/** `1200`, `1,200` or `1.2e3` */
function numberOf(text: string): number {
  if (/^\d{1,3}(,\d{3})+(\.\d+)?$/.test(text)) return Number(text.replaceAll(",", ""));
  return /^\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

/** Extended or basic, to the day, the minute, the second or a part of it. */
const isoTime =
  /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)? ?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;
/** From 2001 to 2286. A date without separators, as 20260101 or 202601011000, has another length. */
const sinceMsOfDigits: Readonly<Record<number, number>> = { 10: secondMs, 13: 1, 16: 1e-3, 19: 1e-6 };
/** Seconds from the start of the recording. */
const relativeSeconds = /^\d{1,7}(?:\.\d+)?$/;
const rowRule =
  "must be a time (ISO 8601, seconds from the start, or 10, 13, 16 or 19 digits since 1970) and a count of 0 or more";

/** In exactly these forms: Date.parse reads a date out of nearly everything. */
function timeOf(text: string): number {
  if (relativeSeconds.test(text)) return Number(text) * secondMs;
  const [, digits] = /^([1-9]\d*)(?:\.\d+)?$/.exec(text) ?? [];
  const unitMs = sinceMsOfDigits[digits?.length ?? 0];
  if (unitMs !== undefined) return Number(text) * unitMs;
  const match = isoTime.exec(text);
  if (match === null) return Number.NaN;
  const [, year, month, day, hour, minute, second = "00", fraction = "0", zone = ""] = match;
  const date = `${year}-${month}-${day}`;
  if (hour === undefined) return Date.parse(date);
  const isLeap = second === "60";
  const zoneText = zone.toUpperCase().replace(/^(...):?(\d\d)?$/, (_, hours, minutes = "00") => `${hours}:${minutes}`);
  const time = `${hour}:${minute}:${isLeap ? "59" : second}.${fraction.slice(0, 3)}`;
  return Date.parse(`${date}T${time}${zoneText}`) + (isLeap ? secondMs : 0);
}

function shown(line: string): string {
  return line.length <= shownCharsMax ? line : `${line.slice(0, shownCharsMax)}…`;
}
