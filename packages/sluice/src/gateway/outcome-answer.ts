// How the outcome of a request is told: on its result route, and to a submit that waited for it.
import type { FastifyReply } from "fastify";
import { SluiceError } from "../core/errors.ts";
import type { RequestStatus } from "../core/request.ts";
import type { GatewayContext } from "./context.ts";
import { sendStored } from "./content-answer.ts";
import { retryAfterOf } from "./receipt.ts";

/** Sends the result's own bytes; throws `dead`, `cancelled` or `not-finished`. */
export async function sendResult(context: GatewayContext, reply: FastifyReply, status: RequestStatus): Promise<void> {
  if (status.state !== "done") {
    await context.views.freshen(status.queue);
    throw outcomeError(context, status);
  }
  const { id, resultBytes = 0 } = status;
  const read = () => context.engine.readResult(id);
  if (await sendStored(context, reply, { byteCount: resultBytes, read, headers: { "sluice-request-id": id } })) return;
  throw new SluiceError("not-found", `the result of request ${id} is not kept any more`);
}

/** Why there is no result. */
export function outcomeError(context: GatewayContext, status: RequestStatus): SluiceError {
  const { id, queue, state, lastError } = status;
  switch (state) {
    case "dead":
      return new SluiceError("dead", `request ${id} is dead: ${lastError?.message ?? "no error was recorded"}`, {
        fields: { error: lastError },
      });
    case "cancelled":
      return new SluiceError("cancelled", `request ${id} was cancelled`);
    default:
      return new SluiceError("not-finished", `request ${id} is ${state}`, {
        fields: { state },
        retryAfterSeconds: Number(
          retryAfterOf(context, queue, state === "scheduled" ? status.nextAttemptAt : undefined),
        ),
      });
  }
}
