import { setTimeout as delay } from "node:timers/promises";
import { sendBatch } from "../batch-sender.ts";
import type { Ledger } from "../ledger.ts";
import type { Parcel } from "../parcel.ts";

export interface EvenLoad {
  readonly url: string;
  readonly ledger: Ledger;
  readonly next: () => Parcel;
  readonly total: number;
  readonly withinMs: number;
  /** Called with how many have their receipts. */
  readonly onAccepted: (count: number) => void;
  /** Gives up. */
  readonly signal: AbortSignal;
}

const batchEveryMs = 100;
const pauseMs = 100;
/** A short delay is made up for; after an outage the pace goes on as if there had been none. */
const lateMsMax = 500;

/** Sends small batches at an even pace, each until it has its receipts. An outage makes it longer, and no steeper. */
export async function sendEvenly({ url, ledger, next, total, withinMs, onAccepted, signal }: EvenLoad): Promise<void> {
  const perBatch = (total * batchEveryMs) / withinMs;
  let due = performance.now();
  let sent = 0;
  for (let batches = 1; sent < total; batches += 1) {
    await delay(Math.max(0, due - performance.now()), undefined, { signal });
    const count = Math.min(total, Math.round(batches * perBatch)) - sent;
    const parcels = Array.from({ length: count }, next);
    while ((await sendBatch(url, ledger, parcels)) === undefined) await delay(pauseMs, undefined, { signal });
    sent += count;
    onAccepted(sent);
    due = Math.max(due + batchEveryMs, performance.now() - lateMsMax);
  }
}
