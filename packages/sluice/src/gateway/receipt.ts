// The answer to accepted requests. Written by hand: this is the hot path, and these are all plain ASCII
// but for the queue's name.
import type { FastifyReply } from "fastify";
import { isFinal } from "../core/request.ts";
import type { Receipt } from "../core/request.ts";
import type { GatewayContext } from "./context.ts";
import { TimeTextCache } from "./time-text.ts";

const acceptedAtText = new TimeTextCache();
const expectedByText = new TimeTextCache();

export interface Accepted {
  readonly receipt: Receipt;
  /** The wait that was preferred and has run out. */
  readonly appliedWait: string | undefined;
}

/** 202 with the receipt, past Fastify's own way to answer: it costs a tenth of the intake. */
export function sendReceipt(context: GatewayContext, reply: FastifyReply, { receipt, appliedWait }: Accepted): void {
  const text = receiptText(context, receipt, "");
  const headers = [
    "content-type",
    "application/json",
    "content-length",
    String(Buffer.byteLength(text)),
    "location",
    `/v1/requests/${receipt.id}`,
    "retry-after",
    retryAfterOf(context, receipt.queue, receipt.nextAttemptAt),
  ];
  if (receipt.isReplayed) headers.push("idempotent-replayed", "true");
  if (appliedWait !== undefined) headers.push("preference-applied", appliedWait);
  reply.hijack();
  reply.raw.writeHead(202, headers);
  reply.raw.end(text);
}

/** In seconds, for what does not begin before a time, by the store's clock. */
export function retryAfterOf({ views, engine }: GatewayContext, queue: string, dueAt: number | undefined): string {
  const { retryAfter } = views.expectation(queue);
  if (dueAt === undefined) return retryAfter;
  return String(Math.max(Number(retryAfter), Math.ceil((dueAt - engine.clock.now()) / 1_000)));
}

/** When the first of them may begin; undefined where one may now. */
export function dueAt(receipts: readonly Receipt[]): number | undefined {
  let first = Number.POSITIVE_INFINITY;
  for (const { nextAttemptAt } of receipts) {
    if (nextAttemptAt === undefined) return undefined;
    first = Math.min(first, nextAttemptAt);
  }
  return first;
}

export function batchReceiptsText(context: GatewayContext, receipts: readonly Receipt[]): string {
  const texts = receipts.map((receipt) => receiptText(context, receipt, `,"replayed":${receipt.isReplayed}`));
  return `{"receipts":[${texts.join(",")}]}`;
}

export function receiptText({ views }: GatewayContext, receipt: Receipt, more: string): string {
  const expectedAt = isFinal(receipt.state) ? undefined : views.promise(receipt);
  const expectedBy = expectedAt === undefined ? "null" : `"${expectedByText.of(expectedAt)}"`;
  const acceptedAt = acceptedAtText.of(receipt.acceptedAt);
  return `{"id":"${receipt.id}","queue":${JSON.stringify(receipt.queue)},"state":"${receipt.state}","acceptedAt":"${acceptedAt}","durability":"${receipt.durability}","expectedBy":${expectedBy}${more}}`;
}
