export { createClient, SluiceClient } from "./client.ts";
export type {
  CallOptions,
  ClientOptions,
  ListOptions,
  ReplayManyOptions,
  SubmitManyOptions,
  SubmitOptions,
  Submitted,
  WaitOptions,
} from "./options.ts";
export type { RepeatPolicy } from "./backoff.ts";
export type { EncodedItem, SubmitItem } from "./batch.ts";
export { SluiceClientError, SubmitManyError } from "./errors.ts";
export type { KeyedItem, SluiceClientErrorKind } from "./errors.ts";
export type { Result } from "./result.ts";
export type { Placement } from "./placement.ts";
export { CallbackError, verifyCallback } from "./verify-callback.ts";
export type { CallbackErrorCode, VerifiedCallback, VerifyCallbackInput } from "./verify-callback.ts";
export type { ItemReceipt } from "./submit-many.ts";
export type {
  WireAttempts,
  WireAudit,
  WireAuditEvent,
  WireBatchAnswer,
  WireBatchLine,
  WireBatchReceipt,
  WireCallback,
  WireCallbackResult,
  WireCarriers,
  WireCounts,
  WireDeadGroup,
  WireDeadGroups,
  WireDurability,
  WireFailedAttempt,
  WireFailure,
  WireFinding,
  WireForecast,
  WireGroup,
  WireGroupList,
  WireHealing,
  WireHeldOrder,
  WireHeldOrderList,
  WireHistoryEvent,
  WireHourAudit,
  WireInversion,
  WireOrderAudit,
  WireOverviewEvent,
  WireProblem,
  WireProgressEvent,
  WireDeliveries,
  WireQueue,
  WireQueueAudit,
  WireQueueHistory,
  WireQueueList,
  WireQueueOrder,
  WireRates,
  WireReadiness,
  WireReceipt,
  WireReceiptProof,
  WireReplayAnswer,
  WireReplayOrder,
  WireRequest,
  WireRequestList,
  WireRunSpan,
  WireSchemaPath,
  WireState,
  WireSchedule,
  WireScheduleList,
  WireStateEvent,
  WireUnreadableEvent,
} from "./wire.ts";
