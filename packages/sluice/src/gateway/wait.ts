// Waits for the outcome of a request: told by the engine, never by polling.
import type { ServerResponse } from "node:http";
import { isFinal } from "../core/request.ts";
import type { RequestStatus } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import type { GatewayContext } from "./context.ts";

export interface OutcomeWait {
  readonly seconds: number;
  /** Whose connection it is: a client that goes away ends the wait. */
  readonly response: ServerResponse;
}

/** The request's status once it is final, or as it stands when the time is up; undefined when there is no such request. */
export async function waitForOutcome(
  { engine, held }: GatewayContext,
  id: RequestId,
  { seconds, response }: OutcomeWait,
): Promise<RequestStatus | undefined> {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  // Watched before it is read, so that an outcome between the two is not missed.
  using _watch = engine.watch(id, (change) => {
    if (change.kind === "state" && isFinal(change.state)) end();
  });
  const status = await engine.read(id);
  if (status === undefined || isFinal(status.state)) return status;
  using _held = held.hold(end);
  const timer = setTimeout(end, seconds * 1_000);
  response.once("close", end);
  if (response.destroyed) end();
  await ended;
  clearTimeout(timer);
  response.off("close", end);
  return await engine.read(id);
}
