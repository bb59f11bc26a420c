// A bulk replay in slices, each a commit of its own: between two of them the store has time for others. What is replayed
// when one of them fails stays replayed, and the error says how many those are.
import { SluiceError } from "../../core/errors.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { ReplayFilter, ReplayReport } from "../../engine/engine.ts";

export interface ReplaySliceAsk extends Pick<ReplayFilter, "queue" | "errorCode"> {
  /** `next` of the slice before; from the oldest unless given. */
  readonly after: RequestId | undefined;
  readonly max: number;
}

export interface ReplaySlice {
  readonly matched: number;
  readonly ids: readonly RequestId[];
  /** Undefined when all have been looked at. */
  readonly next: RequestId | undefined;
}

/** A few milliseconds of the store's time. */
const sliceMax = 200;
/** Dead requests of other errors are passed over for as long as that takes. */
const looksPerSlice = 1_000;

/** How many of a slice's dead requests are looked at. */
export function looksOf({ errorCode, max }: ReplaySliceAsk): number {
  return errorCode === undefined ? max : looksPerSlice;
}

export interface DeadRow {
  readonly id: RequestId;
  readonly errorCode: string | null;
}

/** What of these, the next dead ones in their order, a slice takes. */
export function sliceOf(ask: ReplaySliceAsk, rows: readonly DeadRow[]): ReplaySlice {
  const ids: RequestId[] = [];
  for (const { id, errorCode } of rows) {
    if (ask.errorCode === undefined || ask.errorCode === errorCode) ids.push(id);
    if (ids.length === ask.max) return { matched: ids.length, ids, next: id };
  }
  const next = rows.length < looksOf(ask) ? undefined : rows.at(-1)?.id;
  return { matched: ids.length, ids, next };
}

/** Of so many that fit the filter. */
export async function replayInSlices(
  { queue, errorCode, limit, isDryRun }: ReplayFilter,
  total: number,
  replay: (ask: ReplaySliceAsk) => Promise<ReplaySlice>,
): Promise<ReplayReport> {
  if (isDryRun) return { total, matched: Math.min(total, limit), replayed: 0 };
  const report = { total, matched: 0, replayed: 0 };
  let after: RequestId | undefined;
  do {
    const ask = { queue, errorCode, after, max: Math.min(sliceMax, limit - report.matched) };
    const { matched, ids, next } = await replay(ask).catch((error: unknown) => {
      throw unfinished(error, report.replayed);
    });
    report.matched += matched;
    report.replayed += ids.length;
    after = next;
  } while (after !== undefined && report.matched < limit);
  return { ...report, total: Math.max(total, report.matched) };
}

function unfinished(error: unknown, replayed: number): unknown {
  if (!(error instanceof SluiceError) || replayed === 0) return error;
  const { code, message, retryAfterSeconds } = error;
  const retry = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  return new SluiceError(code, `${replayed} requests are replayed, the others are not: ${message}`, {
    cause: error,
    ...retry,
    fields: { replayed },
  });
}
