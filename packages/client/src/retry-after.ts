// The Retry-After header of a response (RFC 9110, sections 5.6.7 and 10.2.3). Pure. The server has the same file, as the client
// depends on nothing: what is changed here is changed there too.

/** Longer than anybody waits, and still exact when it is added to a time. */
const waitMaxMs = 100 * 365 * 86_400_000;

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const weekday = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)$/;
const time = "(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)";
/** The three forms of a date; all are GMT. */
const dates = [
  new RegExp(`^[A-Z][a-z]{2}, (?<day>\\d\\d) (?<month>[A-Z][a-z]{2}) (?<year>\\d{4}) ${time} GMT$`),
  new RegExp(`^[A-Z][a-z]{5,8}, (?<day>\\d\\d)-(?<month>[A-Z][a-z]{2})-(?<year>\\d\\d) ${time} GMT$`),
  new RegExp(`^[A-Z][a-z]{2} (?<month>[A-Z][a-z]{2}) (?<day>\\d\\d| \\d) ${time} (?<year>\\d{4})$`),
];

/**
 * The wait that it asks for in milliseconds; undefined if it says nothing readable. A fraction of a second, which the RFC does
 * not know, is rounded up. Of a repeated header, or one whose repeats were joined with commas, the longest wait counts.
 */
export function parseRetryAfter(
  header: string | readonly string[] | null | undefined,
  now: number,
): number | undefined {
  let longest: number | undefined;
  for (const value of valuesOf(header)) {
    const ms = secondsOf(value) ?? untilDate(value, now);
    if (ms !== undefined) longest = Math.max(longest ?? 0, Math.min(ms, waitMaxMs));
  }
  return longest;
}

function valuesOf(header: string | readonly string[] | null | undefined): string[] {
  if (header === undefined || header === null) return [];
  const values: string[] = [];
  const parts = (typeof header === "string" ? header : header.join(",")).split(",");
  for (let at = 0; at < parts.length; at += 1) {
    const part = (parts[at] ?? "").trim();
    // The comma within a date.
    const date = weekday.test(part) ? parts[(at += 1)] : undefined;
    values.push(date === undefined ? part : `${part}, ${date.trim()}`);
  }
  return values;
}

function secondsOf(value: string): number | undefined {
  return /^\d+(?:\.\d*)?$/.test(value) ? Math.ceil(Number(value)) * 1_000 : undefined;
}

function untilDate(value: string, now: number): number | undefined {
  for (const form of dates) {
    const groups = form.exec(value)?.groups;
    const at = groups && timeOf(groups, now);
    if (at !== undefined) return Math.max(0, at - now);
  }
  return undefined;
}

function timeOf(groups: Readonly<Record<string, string>>, now: number): number | undefined {
  const [day, hour, minute, second] = [groups["day"], groups["hour"], groups["minute"], groups["second"]].map(
    Number,
  ) as [number, number, number, number];
  const month = months.indexOf(groups["month"] ?? "");
  const year = yearOf(groups["year"] ?? "", now);
  const date = new Date(0);
  date.setUTCFullYear(year, month, day); // Date.UTC takes the years before 100 for those of the last century
  const isDay = month >= 0 && date.getUTCMonth() === month && date.getUTCDate() === day;
  if (!isDay || hour > 23 || minute > 59 || second > 60) return undefined; // 60 is a leap second
  return date.setUTCHours(hour, minute, second);
}

/** Two digits that seem to be more than 50 years ahead are the most recent year that ends with them. */
function yearOf(digits: string, now: number): number {
  if (digits.length === 4) return Number(digits);
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(digits);
  return year > thisYear + 50 ? year - 100 : year;
}
