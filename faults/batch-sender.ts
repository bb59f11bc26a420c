// The client of a load: sends parcels in batches. Its books keep the ledger's rule, a batch at a time: what is to be sent
// is on disk before it is sent, and what the client saw before it sends again.
import { setTimeout as delay } from "node:timers/promises";
import type { Ledger, LedgerLine } from "./ledger.ts";
import type { Parcel } from "./parcel.ts";

export interface BatchLoad {
  /** Of the gateways; each connection keeps to one. */
  readonly urls: readonly string[];
  readonly ledger: Ledger;
  /** Bodies must be JSON. */
  readonly next: () => Parcel;
  readonly total: number;
  readonly linesPerBatch: number;
  readonly connections: number;
}

const answerMsMax = 60_000;
const pauseMs = 100;
/** Beyond so many tries a batch counts as one that is never taken. */
const triesMax = 100;

/** Sends them all, again and again under the same keys where no receipt came. The ids, batch by batch. */
export async function sendBatches(load: BatchLoad): Promise<readonly string[]> {
  const ids: string[] = [];
  let left = load.total;
  const sendInTurn = async (url: string): Promise<void> => {
    while (left > 0) {
      const count = Math.min(left, load.linesPerBatch);
      left -= count;
      const receipts = await sendUntilTaken(url, load.ledger, Array.from({ length: count }, load.next));
      for (const id of receipts) ids.push(id);
    }
  };
  const { urls, connections } = load;
  await Promise.all(Array.from({ length: connections }, (_, n) => sendInTurn(urls[n % urls.length] as string)));
  return ids;
}

async function sendUntilTaken(url: string, ledger: Ledger, parcels: readonly Parcel[]): Promise<readonly string[]> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const ids = await sendBatch(url, ledger, parcels);
    if (ids !== undefined) return ids;
    await delay(pauseMs);
  }
  throw new Error(`a batch got no receipts in ${triesMax} tries`);
}

/** One POST, with its lines in the ledger before and after; undefined without receipts. */
export async function sendBatch(
  url: string,
  ledger: Ledger,
  parcels: readonly Parcel[],
): Promise<readonly string[] | undefined> {
  const note = (line: (parcel: Parcel, index: number) => LedgerLine): Promise<void> =>
    ledger.append(...parcels.map(line));
  await note(({ key, sha256 }) => ({ kind: "sent", key, sha256 }));
  try {
    const { status, ids } = await post(url, parcels);
    if (ids === undefined) await note(({ key, sha256 }) => ({ kind: "refused", key, sha256, status }));
    else await note(({ key, sha256 }, index) => ({ kind: "accepted", key, sha256, id: ids[index] as string }));
    return ids;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    await note(({ key, sha256 }) => ({ kind: "unknown", key, sha256, reason }));
    return undefined;
  }
}

interface BatchAnswer {
  readonly status: number;
  readonly ids: readonly string[] | undefined;
}

async function post(url: string, parcels: readonly Parcel[]): Promise<BatchAnswer> {
  const response = await fetch(`${url}/v1/queues/orders/batches`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: parcels.map(({ key, body }) => `{"key":${JSON.stringify(key)},"body":${body.toString()}}`).join("\n"),
    signal: AbortSignal.timeout(answerMsMax),
  });
  const text = await response.text();
  if (response.status !== 202) return { status: response.status, ids: undefined };
  const { receipts } = JSON.parse(text) as { readonly receipts: readonly { readonly id: string }[] };
  if (receipts.length !== parcels.length)
    throw new Error(`${receipts.length} receipts came for ${parcels.length} lines`);
  return { status: response.status, ids: receipts.map(({ id }) => id) };
}
