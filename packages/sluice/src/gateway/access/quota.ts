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

/** Takes the other requests of a batch of which one was taken. */
export function takeRest(
  { clock }: GatewayContext,
  { grant }: FastifyRequest,
  reply: FastifyReply,
  count: number,
): void {
  if (grant?.quota === undefined) return;
  const { meter, quota } = grant.quota;
  tell(reply, quota, meter.owe(count, clock.monotonic()));
}

/** As draft-ietf-httpapi-ratelimit-headers has them. Past Fastify, as receipts are answered. */
function tell({ raw }: FastifyReply, { count, windowSeconds }: Quota, { remaining, afterSeconds }: QuotaUse): void {
  raw.setHeader("ratelimit-policy", `"requests";q=${count};w=${windowSeconds}`);
  raw.setHeader("ratelimit", `"requests";r=${remaining};t=${afterSeconds}`);
}
