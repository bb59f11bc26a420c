// An hour's peak in a minute: all at once, then drained.
import type { Played } from "../scenario.ts";
import { Sender } from "../sender.ts";
import { sendBatches } from "../batch-sender.ts";
import { drained, perSecond, type LoadOptions } from "./field.ts";
import { jsonParcels } from "./parcels.ts";
import { Peaks } from "./peaks.ts";

export const peakFault = "none: an hour's peak as fast as it is taken, then drained";

const requests = 200_000;
const requestsShort = 2_000;
/** Of the requests so many come one at a time. */
const singleShare = 0.02;
/** Of any process: at full speed garbage is collected late. */
const mibMax = 400;
const drainMsMax = 120_000;

export async function playPeak({ open, isShort }: LoadOptions): Promise<Played> {
  await using field = await open();
  const { urls, ledger } = field;
  const total = isShort ? requestsShort : requests;
  const singles = total * singleShare;
  const sender = new Sender(ledger, jsonParcels({ name: "single" }));
  const peaks = new Peaks(mibMax);
  const startedAt = performance.now();
  const { signal } = new AbortController();
  await Promise.all([
    sender.send({ url: urls, concurrency: 16, signal, newMax: singles }),
    sendBatches({
      urls,
      ledger,
      next: jsonParcels({ name: "batched" }),
      total: total - singles,
      linesPerBatch: 100,
      connections: 8,
    }),
  ]);
  const sentMs = performance.now() - startedAt;
  const left = await drained(urls[0], total, drainMsMax);
  const doneMs = performance.now() - startedAt;
  peaks.note(field.residents());
  const { figures, violations } = await field.finish();
  if (left > 0) violations.push(`${left} were in the backlog after ${drainMsMax} ms`);
  const done = figures.accepted - figures.dead - figures.lost;
  if (done !== total) violations.push(`${done} are done, of ${total}`);
  return {
    trials: total,
    hits: figures.accepted,
    figures,
    areEffectsOnce: true,
    violations: [...violations, ...peaks.violations()],
    notes: [`sent ${perSecond(total, sentMs)}, done ${perSecond(total, doneMs)}`, peaks.text()],
  };
}
