// What the rows of a request with an order key say of its runs, and what an audit of them came to; the same for every engine.
import type { OrderAudit, OrderedRequest } from "../../core/order-audit.ts";
import type { RequestId } from "../../core/request-id.ts";
import { readRequestHead } from "../../core/stored-head.ts";
import type { OrderReport } from "../../engine/audit.ts";

export interface RunRow {
  readonly queue: number;
  readonly headers: string;
  /** Of its outcome, as are the next two; null without one. */
  readonly state: string | null;
  readonly attempts: number | null;
  readonly finished_at: number | null;
  /** Of the last attempt; where there is no outcome, the earliest that is known. */
  readonly started_at: number | null;
  /** When the first attempt failed that failed. */
  readonly failed_at: number | null;
}

type Turn = Pick<OrderedRequest, "turnAt" | "source" | "claim"> & { readonly id: RequestId };

/** Undefined if it has no order key. */
export function orderedRequestOf(
  row: RunRow,
  turn: Turn,
  names: ReadonlyMap<number, string>,
): OrderedRequest | undefined {
  const { placement } = readRequestHead(row.headers);
  if (placement?.order === undefined) return undefined;
  const began = [row.started_at, row.failed_at].filter((at) => at !== null);
  return {
    ...turn,
    queue: names.get(row.queue) ?? `number ${row.queue}`,
    order: placement.order,
    hasBegun: began.length > 0 || (row.attempts ?? 0) > 0,
    startedAt: began.length > 0 ? Math.min(...began) : undefined,
    finishedAt: row.state === null ? undefined : (row.finished_at ?? undefined),
  };
}

/** What came of it, with a line for each of these queues. */
export function orderReport({ counts, inversions }: OrderAudit, queues: readonly string[]): OrderReport {
  const lines = queues.map((queue) => ({ queue, ...(counts.get(queue) ?? { keys: 0, requests: 0, inversions: 0 }) }));
  return { holds: lines.every((line) => line.inversions === 0), queues: lines, inversions };
}
