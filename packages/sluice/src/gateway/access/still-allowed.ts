// Whether a call that was let in may still be answered, after it has waited.
import type { FastifyRequest } from "fastify";
import { SluiceError } from "../../core/errors.ts";
import type { GatewayContext } from "../context.ts";
import { keyRefusal } from "./key-refusal.ts";

/** Throws when what the caller was let in with no longer holds. */
export function assertStillAllowed({ keys }: GatewayContext, { grant, headers }: FastifyRequest): void {
  if (keys === undefined || keys.stillHolds(grant)) return;
  const refusal = keyRefusal(keys.find(headers.authorization), undefined);
  throw refusal?.error ?? new SluiceError("unauthorized", "the API keys were changed meanwhile");
}
