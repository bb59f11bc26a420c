// The bodies of the routes of groups and order keys, for the API's description.
import { Type } from "typebox";
import { closed, nullable, Time } from "./schemas.ts";

const nullableCount = (description: string) => nullable(Type.Integer({ minimum: 1, description }));
export const GroupView = Type.Object({
  name: Type.String({ description: "Empty for requests without a group" }),
  backlog: Type.Integer({ minimum: 0, description: "Its requests without an outcome" }),
  inFlight: Type.Integer({ minimum: 0, description: "Of these, those that are delivered" }),
  weight: Type.Number({ description: "Its share of the starts beside that of other groups" }),
  concurrency: nullableCount("How many may be delivered at once; null is no bound"),
  ratePerHour: nullable(Type.Number({ description: "Starts an hour; null is no bound" })),
  backlogMax: nullableCount("How many may wait; null is no bound of its own"),
  paused: Type.Boolean(),
});
export const GroupList = Type.Object({ groups: Type.Array(GroupView) });
export const GroupSettingsBody = closed({
  weight: Type.Optional(nullable(Type.Number({ minimum: 0.001, maximum: 1_000 }))),
  concurrency: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 10_000 }))),
  rate: Type.Optional(nullable(Type.String({ description: "Such as 1000/h, from 1/d to 1000000/s" }))),
  backlogMax: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 1_000_000_000 }))),
  paused: Type.Optional(nullable(Type.Boolean())),
});
export const HeldOrderList = Type.Object({
  orders: Type.Array(
    Type.Object({
      order: Type.String(),
      heldBy: Type.String({ description: "The id of the dead request" }),
      heldSince: Time,
      waiting: Type.Integer({ minimum: 0, description: "Requests behind it; counted up to 1,000" }),
    }),
  ),
});
export const OrderReleased = Type.Object({
  order: Type.String(),
  released: Type.Boolean({ description: "False when it was not held" }),
});
