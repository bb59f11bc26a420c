// The client's types and the gateway's schemas say the same. Checked by the compiler: this file only has to compile.
import { test } from "node:test";
import type { Static } from "typebox";
import type {
  WireAttempts,
  WireAudit,
  WireAuditEvent,
  WireBatchAnswer,
  WireDeadGroups,
  WireGroupList,
  WireHealing,
  WireHeldOrderList,
  WireHistoryEvent,
  WireOrderAudit,
  WireOverviewEvent,
  WireProblem,
  WireQueue,
  WireQueueList,
  WireReadiness,
  WireReceipt,
  WireReceiptProof,
  WireReplayAnswer,
  WireReplayOrder,
  WireRequest,
  WireRequestList,
  WireScheduleList,
} from "@sluice/client";
import type { OrderAudit } from "./order-audit-schema.ts";
import type * as groupSchemas from "./group-schemas.ts";
import type * as schemas from "./schemas.ts";

/** Assignable both ways: no field is missing or of another type on either side. */
type Same<Wire, Schema> = [Wire] extends [Writable<Schema>] ? ([Schema] extends [Wire] ? true : never) : never;
type Writable<T> = T extends readonly (infer Item)[]
  ? readonly Writable<Item>[]
  : T extends object
    ? { [Name in keyof T]: Writable<T[Name]> }
    : T;

const same: {
  readonly receipt: Same<WireReceipt, Static<typeof schemas.Receipt>>;
  readonly batchAnswer: Same<WireBatchAnswer, Static<typeof schemas.BatchAnswer>>;
  readonly request: Same<WireRequest, Static<typeof schemas.RequestView>>;
  readonly requestList: Same<WireRequestList, Static<typeof schemas.RequestList>>;
  readonly queue: Same<WireQueue, Static<typeof schemas.QueueView>>;
  readonly queueList: Same<WireQueueList, Static<typeof schemas.QueueList>>;
  readonly scheduleList: Same<WireScheduleList, Static<typeof schemas.ScheduleList>>;
  readonly replayOrder: Same<WireReplayOrder, Static<typeof schemas.ReplayOrder>>;
  readonly replayAnswer: Same<WireReplayAnswer, Static<typeof schemas.ReplayAnswer>>;
  readonly audit: Same<WireAudit, Static<typeof schemas.Audit>>;
  readonly orderAudit: Same<WireOrderAudit, Static<typeof OrderAudit>>;
  readonly attempts: Same<WireAttempts, Static<typeof schemas.Attempts>>;
  readonly deadGroups: Same<WireDeadGroups, Static<typeof schemas.DeadGroups>>;
  readonly groups: Same<WireGroupList, Static<typeof groupSchemas.GroupList>>;
  readonly heldOrders: Same<WireHeldOrderList, Static<typeof groupSchemas.HeldOrderList>>;
  readonly overviewEvent: Same<WireOverviewEvent, Static<typeof schemas.OverviewEvent>>;
  readonly historyEvent: Same<WireHistoryEvent, Static<typeof schemas.HistoryEvent>>;
  readonly auditEvent: Same<WireAuditEvent, Static<typeof schemas.AuditEvent>>;
  readonly healing: Same<WireHealing, Static<typeof schemas.Healing>>;
  readonly receiptProof: Same<WireReceiptProof, Static<typeof schemas.ReceiptProof>>;
  readonly readiness: Same<WireReadiness, Static<typeof schemas.Readiness>>;
  readonly problem: Same<WireProblem, Static<typeof schemas.Problem>>;
} = {
  receipt: true,
  batchAnswer: true,
  request: true,
  requestList: true,
  queue: true,
  queueList: true,
  scheduleList: true,
  replayOrder: true,
  replayAnswer: true,
  audit: true,
  orderAudit: true,
  attempts: true,
  deadGroups: true,
  groups: true,
  heldOrders: true,
  overviewEvent: true,
  historyEvent: true,
  auditEvent: true,
  healing: true,
  receiptProof: true,
  readiness: true,
  problem: true,
};

test("the client's types and the gateway's schemas agree", () => void same);
