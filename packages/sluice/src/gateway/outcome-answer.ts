// How the outcome of a request is told: on its result route, and to a submit that waited for it.
import type { FastifyReply } from "fastify";
import { SluiceError } from "../core/errors.ts";
import type { RequestId } from "../core/request-id.ts";
import type { RequestStatus } from "../core/request.ts";
import type { GatewayContext } from "./context.ts";
import { sendContent } from "./content-answer.ts";

/** Sends the result's own bytes; throws `dead`, `cancelled` or `not-finished`. */
export async function sendResult(context: GatewayContext, reply: FastifyReply, status: RequestStatus): Promise<void> {
  if (status.state !== "done") {
    await context.views.freshen();
    throw outcomeError(context, status);
  }
  if (await sendResultIfDone(context, reply, status.id)) return;
  throw new SluiceError("not-found", `the result of request ${status.id} is not kept any more`);
}

/** False when there is no result to send, whatever the reason. */
export async function sendResultIfDone(
  { engine }: GatewayContext,
  reply: FastifyReply,
  id: RequestId,
): Promise<boolean> {
  const result = await engine.readResult(id);
  if (result === undefined) return false;
  reply.header("sluice-request-id", id);
  sendContent(reply, result);
  return true;
}

/** Why there is no result. */
export function outcomeError({ views }: GatewayContext, { id, queue, state, lastError }: RequestStatus): SluiceError {
  switch (state) {
    case "dead":
      return new SluiceError("dead", `request ${id} is dead: ${lastError?.message ?? "no error was recorded"}`, {
        fields: { error: lastError ?? null },
      });
    case "cancelled":
      return new SluiceError("cancelled", `request ${id} was cancelled`);
    default:
      return new SluiceError("not-finished", `request ${id} is ${state}`, {
        fields: { state },
        retryAfterSeconds: Number(views.expectation(queue).retryAfter),
      });
  }
}
