// Waits for the outcome of a request: told by the engine, never by polling.
import type { FastifyReply } from "fastify";
import { isFinal } from "../core/request.ts";
import type { RequestStatus } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import { assertStillAllowed } from "./access/still-allowed.ts";
import type { GatewayContext } from "./context.ts";

export interface OutcomeWait {
  readonly seconds: number;
  /** A client that goes away ends the wait, and so does the end of its key. */
  readonly reply: FastifyReply;
  /** The call needed no API key, though there are some: on the front. */
  readonly isKeyless?: boolean;
}

/**
 * The request's status once it is final, or as it stands when the time is up; undefined when there is no such request. Errors:
 * `unauthorized`, when the caller's key has ended meanwhile.
 */
export async function waitForOutcome(
  context: GatewayContext,
  id: RequestId,
  { seconds, reply, isKeyless = false }: OutcomeWait,
): Promise<RequestStatus | undefined> {
  const { engine, held } = context;
  const { request, raw: response } = reply;
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  // Watched before it is read, so that an outcome between the two is not missed.
  using _watch = engine.watch(id, (change) => {
    if (change.kind === "state" && isFinal(change.state)) end();
  });
  const status = await engine.read(id);
  if (status === undefined || isFinal(status.state)) return status;
  using _held = held.hold(isKeyless ? "keyless" : request.grant, end);
  const timer = setTimeout(end, seconds * 1_000);
  response.once("close", end);
  if (response.destroyed) end();
  await ended;
  clearTimeout(timer);
  response.off("close", end);
  if (!isKeyless) assertStillAllowed(context, request);
  return await engine.read(id);
}
