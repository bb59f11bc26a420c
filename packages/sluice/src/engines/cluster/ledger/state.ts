// How a request's state follows from the rows it has. One place, for every statement that tells states.
/** An id to compare with, or the bound of a partition: not every one is a request's. */
export type IdBound = string;

export const lowestId: IdBound = "00000000-0000-0000-0000-000000000000";
export const highestId: IdBound = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** An id that lies further ahead of the store's clock is of a time before that stepped back. */
export const aheadMsMax = 60_000;

/** No request accepted at this time or later has a lower id. */
export function firstIdAt(timeMs: number): IdBound {
  const time = Math.max(0, Math.floor(timeMs)).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}${lowestId.slice(13)}`;
}

/**
 * For `i` with ids: request `r` and, where there is one, outcome `o`, claim `n` and schedule row `s`. OFFSET 0 keeps each
 * of them a look-up by its index, whatever the planner takes the tables' sizes for.
 */
export const ROWS_OF_ID = `
  JOIN LATERAL (SELECT * FROM sluice.requests WHERE id = i.id OFFSET 0) r ON true
  LEFT JOIN LATERAL (SELECT * FROM sluice.outcomes WHERE id = i.id OFFSET 0) o ON true
  LEFT JOIN LATERAL (SELECT * FROM sluice.running WHERE id = i.id OFFSET 0) n ON true
  LEFT JOIN LATERAL (SELECT * FROM sluice.schedule WHERE id = i.id OFFSET 0) s ON true`;

/** The state from the rows of ROWS_OF_ID; `now` is the parameter that holds the time. */
export function stateAt(now: `$${number}`): string {
  return `CASE WHEN o.id IS NOT NULL THEN o.state
    WHEN n.id IS NOT NULL THEN 'running'
    WHEN s.due_at > ${now}::bigint THEN 'scheduled'
    ELSE 'waiting' END`;
}

/** Whether a request has a row in a table, looked up by its index, one request after the other. */
export function hasRow(table: "outcomes" | "running" | "schedule", id: string): string {
  return `EXISTS (SELECT FROM sluice.${table} x WHERE x.id = ${id} OFFSET 0)`;
}
