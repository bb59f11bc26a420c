// What a sender says in the headers of Sluice, for the peers that can do something of the kind.
import type { IncomingHttpHeaders } from "node:http";

interface Placement {
  readonly order: string | undefined;
  /** From 0, the most urgent, to 7. */
  readonly urgency: number | undefined;
}

export function placementIn(headers: IncomingHttpHeaders): Placement {
  const urgency = /^u=([0-7])$/.exec(String(headers["priority"]))?.[1];
  const order = headers["sluice-order"];
  return {
    order: typeof order === "string" ? order : undefined,
    urgency: urgency === undefined ? undefined : Number(urgency),
  };
}
