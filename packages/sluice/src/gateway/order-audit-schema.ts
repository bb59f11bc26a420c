// What the audit of order keys answers, for the API's description.
import { Type } from "typebox";
import { nullable } from "./schemas.ts";

const QueueOrder = Type.Object({
  queue: Type.String(),
  keys: Type.Integer({ minimum: 0, description: "Order keys that were looked at" }),
  requests: Type.Integer({ minimum: 0, description: "Requests with an order key" }),
  inversions: Type.Integer({ minimum: 0 }),
});
const RunSpan = Type.Object({
  id: Type.String(),
  startedAt: nullable(
    Type.String({ format: "date-time", description: "The earliest time at which an attempt is known to have run" }),
  ),
  finishedAt: nullable(Type.String({ format: "date-time", description: "Null while it has no outcome" })),
});
const Inversion = Type.Object(
  { queue: Type.String(), order: Type.String(), first: RunSpan, second: RunSpan },
  { description: "Two requests with the same order key: the second began before the first had ended" },
);
export const OrderAudit = Type.Object({
  holds: Type.Boolean({ description: "No inversion was found" }),
  queues: Type.Array(QueueOrder),
  inversions: Type.Array(Inversion, { description: "At most a hundred of each queue" }),
});
