// A sender's own rate: what its key may hand in. Each gateway process counts for itself.
import type { FastifyReply, FastifyRequest } from "fastify";
import { SluiceError } from "../../core/errors.ts";
import type { Quota, QuotaUse } from "../../core/quota.ts";
import type { GatewayContext } from "../context.ts";

/** Takes one request of the caller's quota; throws `rate-limited` when there is none. */
export function takeQuota({ clock }: GatewayContext, { grant }: FastifyRequest, reply: FastifyReply): void {
  if (grant?.quota === undefined) return;
  const { meter, quota } = grant.quota;
  const use = meter.take(clock.monotonic());
  tell(reply, quota, use);
  if (use.isAllowed) return;
  const message = `the key ${grant.name} may hand in ${quota.text} and has`;
  throw new SluiceError("rate-limited", message, { retryAfterSeconds: use.afterSeconds });
}

/**
 * Takes all requests of a batch, of which one was taken, before it is stored. What comes back gives back all but that one, if
 * the batch is not stored. Errors: `rate-limited`; `batch-too-large` for one that no wait would let in.
 */
export function takeBatch(
  { clock }: GatewayContext,
  { grant }: FastifyRequest,
  reply: FastifyReply,
  count: number,
): () => void {
  if (grant?.quota === undefined) return () => {};
  const { meter, quota } = grant.quota;
  if (count > quota.count) {
    const message = `the key ${grant.name} may hand in ${quota.text}: a batch may have up to ${quota.count} lines, it has ${count}`;
    throw new SluiceError("batch-too-large", message);
  }
  meter.giveBack(clock.monotonic(), 1);
  const use = meter.take(clock.monotonic(), count);
  tell(reply, quota, use);
  if (use.isAllowed) return () => tell(reply, quota, meter.giveBack(clock.monotonic(), count - 1));
  const message = `the key ${grant.name} may hand in ${quota.text}: ${use.remaining} are left, the batch has ${count}`;
  throw new SluiceError("rate-limited", message, { retryAfterSeconds: use.afterSeconds });
}

/** As draft-ietf-httpapi-ratelimit-headers has them. Past Fastify, as receipts are answered. */
function tell({ raw }: FastifyReply, { count, windowSeconds }: Quota, { remaining, afterSeconds }: QuotaUse): void {
  raw.setHeader("ratelimit-policy", `"requests";q=${count};w=${windowSeconds}`);
  raw.setHeader("ratelimit", `"requests";r=${remaining};t=${afterSeconds}`);
}
