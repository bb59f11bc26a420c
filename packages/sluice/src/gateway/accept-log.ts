// One line for each call that had requests accepted: no body, no key, no header.
import type { FastifyReply } from "fastify";
import type { Receipt } from "../core/request.ts";
import type { GatewayContext } from "./context.ts";

export interface AcceptedLine {
  readonly receipts: readonly Receipt[];
  /** Of the body, or of the batch as it came; 0 for a batch in chunks, whose length its sender did not say. */
  readonly bytes: number;
}

/** At the level debug: the hot path has no time for more. */
export function logAccepted({ log }: GatewayContext, reply: FastifyReply, { receipts, bytes }: AcceptedLine): void {
  if (!log.isLevelEnabled("debug")) return;
  const [first] = receipts;
  const line = {
    queue: first?.queue,
    id: first?.id,
    requests: receipts.length,
    repeats: receipts.filter(({ isReplayed }) => isReplayed).length,
    bytes,
    durationMs: Math.round(reply.elapsedTime),
  };
  log.debug(line, "accepted");
}
