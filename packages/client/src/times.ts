/** When a request may begin: an absolute time as a Date or as RFC 3339, or a duration from now such as `"30s"`, `"5m"`, `"2h"` or `"7d"`. */
export interface Times {
  /** It does not begin before this; at most 366 days ahead. */
  readonly notBefore?: Date | string | undefined;
  /** If it has not begun by then, it ends dead as `expired`; at most 732 days ahead, and later than `notBefore`. */
  readonly expires?: Date | string | undefined;
}

/** Throws a RangeError for a Date that is invalid. */
export function timeText(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time;
}
