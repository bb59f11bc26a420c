// What a sender may ask for beside its request: before and behind which others it begins, and when. Pure: the clock is passed in.
import { parseDuration } from "./duration.ts";
import { isIdempotencyKey } from "./idempotency-key.ts";
import { urgencyDefault } from "./fair-choice.ts";

/** Times are milliseconds since 1970, by the store's clock. */
export interface Placement {
  /** It does not begin before this time. */
  readonly notBefore?: number | undefined;
  /** If it has not begun by then, it ends dead as `expired`. */
  readonly expiresAt?: number | undefined;
  /** Requests of a queue with the same order key run one after another. */
  readonly order?: string | undefined;
  /** Groups share the queue's capacity. */
  readonly group?: string | undefined;
  /** From 0, the most urgent, to 7. */
  readonly urgency?: number | undefined;
}

/**
 * An order key or the name of a group: 1 to 255 printable ASCII characters, as an Idempotency-Key. It is part of a URL's path, where
 * browsers and fetch resolve dots, however they are encoded: the group ".." would be paused by pausing its queue.
 */
export function isPlacementName(text: string): boolean {
  return isIdempotencyKey(text) && text !== "." && text !== "..";
}
export const placementNameRule = "1 to 255 printable ASCII characters, other than . and ..";

/** Whether it has a place in a line, beside the log: see engines/embedded/lines.ts. */
export function isLined({ order, group, urgency = urgencyDefault }: Placement): boolean {
  return order !== undefined || group !== undefined || urgency !== urgencyDefault;
}

export const noPlacement: Placement = {};

/** The outcome of a request that did not begin in time. */
export const expiredFailure = { code: "expired", message: "it did not begin before the time at which it expires" };

/** As the sender wrote them. */
export interface PlacementTexts {
  readonly order?: string | undefined;
  readonly group?: string | undefined;
  /** The urgency alone. */
  readonly priority?: string | undefined;
  readonly notBefore?: string | undefined;
  readonly expires?: string | undefined;
}

export type PlacementRead =
  | { readonly kind: "placed"; readonly placement: Placement }
  | { readonly kind: "refused"; readonly name: keyof PlacementTexts; readonly message: string };

const dayMs = 86_400_000;
const yearMs = 366 * dayMs;
/** Behind the last time at which a request may be asked to begin. */
const expiresMaxMs = 2 * yearMs;
/** More than any time or duration has. */
const charsMax = 64;

/** A time that has passed is none to refuse: a sender repeats its request, with its key, until it has the receipt. */
export function parsePlacement({ notBefore, expires, ...lined }: PlacementTexts, now: number): PlacementRead {
  const { order, group, priority } = lined;
  if (order !== undefined && !isPlacementName(order)) return refused("order", placementNameRule, order);
  if (group !== undefined && !isPlacementName(group)) return refused("group", placementNameRule, group);
  if (priority !== undefined && !/^[0-7]$/.test(priority))
    return refused("priority", "an urgency from 0, the most urgent, to 7", priority);
  const from = notBefore === undefined ? undefined : parseTime(notBefore, now);
  if (from === "unreadable" || (from !== undefined && from > now + yearMs))
    return refused("notBefore", `${timeRule} from now, at most one year ahead`, notBefore);
  const until = expires === undefined ? undefined : parseTime(expires, now);
  if (until === "unreadable" || (until !== undefined && until > now + expiresMaxMs))
    return refused("expires", `${timeRule} from now, at most two years ahead`, expires);
  if (from !== undefined && until !== undefined && until <= from)
    return refused("expires", "a time after the one before which the request does not begin", expires);
  const times = { notBefore: from, expiresAt: until };
  if ((order ?? group ?? priority) === undefined) return { kind: "placed", placement: times };
  const urgency = priority === undefined ? undefined : Number(priority);
  return { kind: "placed", placement: { ...times, order, group, urgency } };
}

const timeRule = 'a time as in "2026-12-24T18:00:00Z", or a duration such as 30s, 5m, 2h or 7d';

function refused(name: keyof PlacementTexts, rule: string, value = ""): PlacementRead {
  return { kind: "refused", name, message: `must be ${rule}, got ${JSON.stringify(value.slice(0, 80))}` };
}

const dateTime = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:[Zz]|[+-](\d\d):(\d\d))$/;

/** RFC 3339 with its offset, or a duration from now. A time before 1970 counts as 1970. */
function parseTime(text: string, now: number): number | "unreadable" {
  if (text.length > charsMax) return "unreadable";
  const match = dateTime.exec(text);
  if (match === null) return parseWait(text, now);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ...offset] = match.slice(1).map(Number);
  // 400 years later the calendar is the same, and no year is one that Date.UTC takes for 19xx.
  const isDay = month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year + 400, month, 0)).getUTCDate();
  const [offsetHours = 0, offsetMinutes = 0] = offset.map((part) => part || 0);
  const isTime = hour <= 23 && minute <= 59 && second <= 60 && offsetHours <= 23 && offsetMinutes <= 59;
  if (!isDay || !isTime) return "unreadable";
  const isLeap = second === 60;
  const ms = Date.parse((isLeap ? `${text.slice(0, 17)}59${text.slice(19)}` : text).toUpperCase());
  if (!isLeap) return Math.max(0, ms);
  // A leap second is the last one of a day in UTC; it counts as the first of the next.
  return (Math.floor(ms / 1_000) + 1) % (dayMs / 1_000) === 0 ? Math.max(0, ms + 1_000) : "unreadable";
}

function parseWait(text: string, now: number): number | "unreadable" {
  if (/\s/.test(text)) return "unreadable";
  try {
    return now + parseDuration(text);
  } catch {
    return "unreadable";
  }
}
