/** What is asked for of a request's place in the backlog. A time is an absolute time as a Date or as RFC 3339, or a duration from now such as `"30s"`, `"5m"`, `"2h"` or `"7d"`. */
export interface Placement {
  /** Requests of a queue with the same order key run one after another. The embedded engine's, as are the next two. */
  readonly order?: string | undefined;
  /** The group, such as a tenant: groups share the queue's starts. */
  readonly group?: string | undefined;
  /** From 0, the most urgent, to 7; 3 unless set. */
  readonly priority?: number | undefined;
  /** It does not begin before this; at most 366 days ahead. */
  readonly notBefore?: Date | string | undefined;
  /** If it has not begun by then, it ends dead as `expired`; at most 732 days ahead, and later than `notBefore`. */
  readonly expires?: Date | string | undefined;
}

/** Throws a RangeError for a Date that is invalid. */
function timeText(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time;
}

/** As a batch's line has it. */
export function placementMembers({ order, group, priority, notBefore, expires }: Placement): Record<string, unknown> {
  return { order, group, priority, notBefore: timeText(notBefore), expires: timeText(expires) };
}

/** As headers. */
export function placementHeaders({ order, group, priority, notBefore, expires }: Placement): Record<string, string> {
  const [from, until] = [timeText(notBefore), timeText(expires)];
  return {
    ...(order !== undefined && { "sluice-order": quoted(order) }),
    ...(group !== undefined && { "sluice-group": quoted(group) }),
    ...(priority !== undefined && { priority: `u=${priority}` }),
    ...(from !== undefined && { "sluice-not-before": from }),
    ...(until !== undefined && { "sluice-expires": until }),
  };
}

function quoted(name: string): string {
  return `"${name.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
