// The end of a run: everything that was sent gets its receipt and its outcome, and is read back and counted.
import { check, countInversions, type Figures, type Reading } from "./checker.ts";
import { orderOf } from "./door.ts";
import type { Ledger } from "./ledger.ts";
import { readLog } from "./logs.ts";
import { readAliases, readAudit, readOutcomes } from "./readings.ts";
import type { Sender } from "./sender.ts";

export interface ConcludeOptions {
  /** Of every gateway. */
  readonly urls: readonly [string, ...string[]];
  /** Where the senders send; `urls` unless given. */
  readonly intakeUrls?: readonly string[];
  readonly senders: readonly Sender[];
  /** Results that are read; all unless given. */
  readonly resultsMax?: number | undefined;
  /** The audit may not hold; else it must. */
  readonly isLossMeant?: boolean | undefined;
}

export interface Conclusion {
  readonly readings: readonly Reading[];
  /** What is wrong besides the figures. */
  readonly violations: string[];
}

/** As long as a client goes on without a receipt before it is told as never getting one. */
const receiptMsMax = 60_000;

/** Sends again what has no receipt, waits for every outcome and reads them back. Nothing may be killed now. */
export async function conclude({
  urls,
  intakeUrls = urls,
  senders,
  resultsMax,
  isLossMeant = false,
}: ConcludeOptions): Promise<Conclusion> {
  const violations: string[] = [];
  for (const sender of senders) {
    const signal = AbortSignal.timeout(receiptMsMax);
    await sender.send({ url: intakeUrls, concurrency: 8, signal, newMax: 0 });
    if (sender.withoutReceipt > 0) violations.push(`${sender.withoutReceipt} sent again got no receipt`);
    if (sender.door === "front-wait" && sender.responses === 0) violations.push("no sender got B's own response");
  }
  const outcomes = await readOutcomes(urls[0], resultsMax);
  const given = senders.flatMap(({ ids }) => ids);
  const readings = [...outcomes, ...(await readAliases(urls[0], given, outcomes))];
  const unfinished = readings.filter(({ state }) => !["done", "dead", "cancelled"].includes(state)).length;
  if (unfinished > 0) violations.push(`${unfinished} requests are in the backlog after the drain`);
  for (const url of urls) {
    const { holds, queues, findings } = await readAudit(url);
    if (!holds && !isLossMeant)
      violations.push(`the audit at ${url} does not hold: ${JSON.stringify({ queues, findings })}`);
    if (holds && isLossMeant) violations.push(`the audit at ${url} holds, though something is lost`);
    const backlog = queues.reduce((sum, queue) => sum + queue.waiting + queue.scheduled + queue.running, 0);
    if (backlog > 0) violations.push(`the audit at ${url} counts a backlog of ${backlog} after the drain`);
  }
  return { readings, violations };
}

/** Reads B's logs from the folder: only once nothing can be written there any more. */
export function figuresOf(
  folder: string,
  {
    ledger,
    readings,
    senders = [],
  }: Pick<Conclusion, "readings"> & {
    readonly ledger: Ledger;
    readonly senders?: readonly Sender[];
  },
): Figures {
  const read = () => ({
    ledger: ledger.read(),
    starts: readLog(folder, "starts"),
    effects: readLog(folder, "effects"),
  });
  const isOrdered = senders.some(({ door }) => door === "ordered");
  return {
    ...check({ ...read(), readings }),
    inversions: isOrdered ? countInversions(read(), ({ sha256 }) => orderOf(sha256)) : 0,
  };
}
