// Keeps a bounded number of batches under way and hands their receipts on in the order of the items.
import type { Batch } from "./batch.ts";
import { SluiceClientError, SubmitManyError } from "./errors.ts";
import type { WireBatchReceipt } from "./wire.ts";

/** A receipt with the key under which the item was sent. */
export interface ItemReceipt extends WireBatchReceipt {
  readonly key: string;
}

export interface Pipeline<Item> {
  readonly batches: AsyncIterable<Batch<Item>>;
  readonly underWayMax: number;
  readonly send: (batch: Batch<Item>, signal: AbortSignal) => Promise<readonly WireBatchReceipt[]>;
}

type Sent =
  | { readonly kind: "accepted"; readonly receipts: readonly ItemReceipt[] }
  | { readonly kind: "failed"; readonly error: unknown };

interface UnderWay<Item> {
  readonly batch: Batch<Item>;
  readonly sent: Promise<Sent>;
}

export async function* submitBatches<Item>({
  batches,
  underWayMax,
  send,
}: Pipeline<Item>): AsyncGenerator<ItemReceipt, void, undefined> {
  const underWay: UnderWay<Item>[] = [];
  const ended = new AbortController();
  let acceptedCount = 0;
  try {
    for await (const batch of batches) {
      underWay.push({ batch, sent: settle(batch, send, ended.signal) });
      if (underWay.length >= underWayMax) yield* first();
    }
    while (underWay.length > 0) yield* first();
  } finally {
    ended.abort(); // after a failure or an early end nobody takes the receipts of the rest
    await Promise.all(underWay.map(({ sent }) => sent));
  }

  async function* first(): AsyncGenerator<ItemReceipt, void, undefined> {
    const sent = await (underWay[0] as UnderWay<Item>).sent;
    if (sent.kind === "failed") throw failureOf(sent.error);
    underWay.shift();
    acceptedCount += sent.receipts.length;
    yield* sent.receipts;
  }

  function failureOf(cause: unknown): unknown {
    if (!(cause instanceof SluiceClientError)) return cause;
    return new SubmitManyError({
      cause,
      acceptedCount,
      unsettled: underWay.flatMap(({ batch }) => batch.items),
    });
  }
}

/** Never rejects: a batch may fail while nobody awaits it yet. */
async function settle<Item>(batch: Batch<Item>, send: Pipeline<Item>["send"], signal: AbortSignal): Promise<Sent> {
  try {
    const receipts = await send(batch, signal);
    if (receipts.length !== batch.items.length) throw shortAnswer(batch.items.length, receipts.length);
    return {
      kind: "accepted",
      receipts: batch.items.map(({ key }, at) => ({ ...(receipts[at] as WireBatchReceipt), key })),
    };
  } catch (error) {
    return { kind: "failed", error };
  }
}

function shortAnswer(expected: number, got: number): SluiceClientError {
  return new SluiceClientError(`expected ${expected} receipts for the batch, got ${got}`, {
    kind: "unknown",
    code: "bad-answer",
  });
}
