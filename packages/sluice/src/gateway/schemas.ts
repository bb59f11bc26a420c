// The HTTP API's shapes: the types of what routes answer, and what /openapi.json is made of.
import { Type } from "typebox";
import type { Static, TProperties, TSchema } from "typebox";
import { activityKinds } from "../core/activity.ts";
import { missedPolicies } from "../core/schedule.ts";
import { states } from "../core/request.ts";
import { errorCodePattern, replayLimit } from "./replay-order.ts";

export const Time = Type.String({ format: "date-time" });
const Count = Type.Integer({ minimum: 0 });

export function nullable<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()]);
}

/** A closed object: its fields are all there is. */
export function closed<T extends TProperties>(fields: T) {
  return Type.Object(fields, { additionalProperties: false });
}

const State = Type.Enum([...states]);
export const Failure = Type.Object({ code: Type.String(), message: Type.String() });

const expectedBy = nullable(
  Type.String({
    format: "date-time",
    description:
      "Nine in ten requests are finished by the time that they were told: from their place in the line, the rate at which " +
      "the queue was finished while it was busy, and how far earlier receipts were off. Null while too little is known, " +
      "nothing is delivered, or the request is finished.",
  }),
);

const receiptFields = {
  id: Type.String({ format: "uuid" }),
  queue: Type.String(),
  state: State,
  acceptedAt: Time,
  durability: Type.Enum(["fsync", "postgres", "postgres+standby", "spool"]),
  expectedBy,
};
export const Receipt = Type.Object(receiptFields);
const BatchReceipt = Type.Object({ ...receiptFields, replayed: Type.Boolean() });
export const BatchAnswer = Type.Object({ receipts: Type.Array(BatchReceipt) });

const lineFields = {
  key: Type.Optional(Type.String()),
  headers: Type.Optional(
    Type.Record(Type.String(), Type.String(), { description: "Kept with the request, for its handler or target" }),
  ),
  callback: Type.Optional(Type.String({ format: "uri" })),
  order: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: "The order key. `Sluice-Order` of the batch unless set.",
    }),
  ),
  group: Type.Optional(
    Type.String({ minLength: 1, maxLength: 255, description: "The group. `Sluice-Group` of the batch unless set." }),
  ),
  priority: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 7, description: "The urgency. `Priority` of the batch unless set." }),
  ),
  notBefore: Type.Optional(
    Type.String({
      description:
        "The request does not begin before this time: RFC 3339, or a duration from now such as 30s, 5m, 2h or 7d, at most " +
        "366 days ahead. `Sluice-Not-Before` of the batch unless set.",
    }),
  ),
  expires: Type.Optional(
    Type.String({
      description:
        "A request that has not begun by this time ends dead as `expired`: RFC 3339, or a duration from now such as 30s, 5m, " +
        "2h or 7d, at most 732 days ahead and later than `notBefore`. `Sluice-Expires` of the batch unless set.",
    }),
  ),
};
export const BatchLine = Type.Union([
  closed({ ...lineFields, body: Type.Unknown() }),
  closed({ ...lineFields, bodyBase64: Type.String({ contentEncoding: "base64" }), contentType: Type.String() }),
]);

export const RequestView = Type.Object({
  id: Type.String({ format: "uuid" }),
  sameAs: Type.Optional(
    Type.String({
      format: "uuid",
      description:
        "The request that it is: two gateways took its key while the ledger was out, and this one came second",
    }),
  ),
  queue: Type.String(),
  key: nullable(Type.String()),
  sender: nullable(Type.String({ description: "The owner of the API key that it came with" })),
  state: State,
  attempts: Count,
  acceptedAt: Time,
  startedAt: nullable(Time),
  finishedAt: nullable(Time),
  replayedAt: Type.Optional(
    Type.String({ format: "date-time", description: "When it was replayed last; absent if it never was" }),
  ),
  nextAttemptAt: nullable(Time),
  lastError: nullable(Failure),
  contentType: Type.String(),
  bytes: Count,
  method: Type.Optional(nullable(Type.String({ description: "What else was kept of the request; absent in lists" }))),
  path: Type.Optional(nullable(Type.String({ description: "With the query" }))),
  headers: Type.Optional(nullable(Type.Record(Type.String(), Type.String()))),
  order: Type.Optional(nullable(Type.String({ description: "Its order key. Absent in lists" }))),
  group: Type.Optional(nullable(Type.String({ description: "Its group. Absent in lists" }))),
  priority: Type.Optional(
    nullable(Type.Integer({ minimum: 0, maximum: 7, description: "Its urgency; null is 3. Absent in lists" })),
  ),
  notBefore: Type.Optional(
    nullable(
      Type.String({
        format: "date-time",
        description: "It does not begin before this time; null if its sender named none. Absent in lists",
      }),
    ),
  ),
  expires: Type.Optional(
    nullable(
      Type.String({
        format: "date-time",
        description:
          "If it has not begun by this time, it ends dead as `expired`; null if its sender named none. Absent in lists",
      }),
    ),
  ),
  expectedBy,
  progress: Type.Unknown(),
});
export const RequestList = Type.Object({ requests: Type.Array(RequestView), nextCursor: nullable(Type.String()) });

const Rates = Type.Object(
  { m1: Type.Number(), m5: Type.Number(), h1: Type.Number() },
  {
    description:
      "Per hour, over the last minute, five minutes and hour. Of a window that was observed in part, the rest counts as " +
      "nothing: a rate is never scaled up, and h1 is the count of the last hour too.",
  },
);
const observedSeconds = Type.Integer({
  minimum: 0,
  maximum: 3_600,
  description: "How much of the last hour the rates were counted in: this process counts from its start",
});
const countFields = { waiting: Count, scheduled: Count, running: Count, done: Count, dead: Count, cancelled: Count };
const Counts = Type.Object(countFields);
const Forecast = Type.Union([
  Type.Object({ kind: Type.Literal("idle") }),
  Type.Object({ kind: Type.Literal("drains"), at: Time }),
  Type.Object({
    kind: Type.Literal("grows", {
      description: "For two minutes at least, by thirty requests and a twentieth of what arrived",
    }),
    perMinute: Type.Number(),
  }),
  Type.Object({
    kind: Type.Literal("stalled", { description: "Something waits, and nothing is delivered or finished" }),
    since: Type.String({ format: "date-time", description: "Since when the reason holds" }),
    reason: Type.Enum(["paused", "target-down", "no-workers", "nothing-finishes"], {
      description:
        "Deliveries are paused; the breakers of all workers are open; no worker is present; or requests are tried, and none " +
        "has been finished for longer than the queue's rate and timeout explain, a minute at least",
    }),
  }),
]);
const spooled = Type.Optional(
  Type.Integer({ minimum: 0, description: "Accepted by this gateway, in its spool until the ledger has them" }),
);
export const QueueView = Type.Object({
  name: Type.String(),
  paused: Type.Boolean(),
  accepted: Count,
  spooled,
  backlog: Count,
  backlogBytes: Count,
  oldestWaitingAt: nullable(
    Type.String({ format: "date-time", description: "When the first of those that wait was accepted" }),
  ),
  workers: Count,
  breakersOpen: Type.Integer({
    minimum: 0,
    description: "Of the workers, those that claim nothing: their target is out",
  }),
  ratePerHour: nullable(Type.Number()),
  counts: Counts,
  deliveries: Type.Object(
    {
      claimed: Count,
      running: Count,
      committing: Count,
      limit: Type.Optional(
        Type.Integer({ description: "How many the workers found that the target can work on at once: for `auto`" }),
      ),
    },
    {
      description:
        "What is running by the counts, as the workers see it: claimed ahead and not begun; with a handler that runs, at " +
        "most the concurrency of each worker; ended, with an outcome or a retry that is being stored. Those of other " +
        "processes are up to a second old.",
    },
  ),
  rates: Type.Object({ accepted: Rates, finished: Rates, observedSeconds }),
  forecast: Forecast,
});
export const QueueList = Type.Object({ queues: Type.Array(QueueView) });

export const ScalingView = Type.Object({
  queue: Type.String(),
  desiredReplicas: Type.Integer({ minimum: 1, description: "By the queue's goal, from min to max" }),
  replicas: Type.Integer({ minimum: 0, description: "Workers that are present" }),
  forecastWaitSeconds: nullable(
    Type.Number({
      description:
        "With the desired replicas; null while what one does was not measured, and while nothing is delivered: paused, or the target is down",
    }),
  ),
  reason: Type.Enum(["arrivals", "wait", "rate", "minimum", "maximum", "hold", "target-down", "unmeasured"]),
  because: Type.String({ description: "The reason in words" }),
  arrivalsPerHour: Type.Number(),
  perReplicaPerHour: nullable(Type.Number({ description: "Measured while something waited" })),
  backlog: Count,
  goal: Type.Object({ min: Count, max: Count, maxWaitSeconds: Type.Number(), holdSeconds: Type.Number() }),
});

export const ReplayOrder = closed({
  error: Type.Optional(
    Type.String({ pattern: errorCodePattern, description: "Only those whose last error has this code" }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: replayLimit.max, default: replayLimit.default })),
  dryRun: Type.Optional(Type.Boolean({ description: "Counts, and changes nothing" })),
});
export const ReplayAnswer = Type.Object({
  total: Type.Integer({ minimum: 0, description: "Dead requests that fit, before any was replayed" }),
  limit: Count,
  matched: Type.Integer({ minimum: 0, description: "Of the total, up to the limit" }),
  replayed: Count,
  dryRun: Type.Boolean(),
});

const QueueAudit = Type.Object({
  queue: Type.String(),
  accepted: Count,
  spooled,
  ...countFields,
  missing: Type.Integer(),
});
const HourAudit = Type.Object({
  queue: Type.String(),
  hour: Type.String({ format: "date-time", description: "When it begins" }),
  accepted: Type.Integer({ minimum: 0, description: "By the chain, without what has expired" }),
  missing: Type.Integer({ minimum: 0, description: "Accepted, and not in the store" }),
});
const Gap = Type.Object(
  {
    chain: Type.String({ description: "The chain, named by its first request" }),
    place: Type.Integer({
      minimum: 0,
      description: "How many requests of the chain come before the first missing one",
    }),
    requests: Type.Integer({ minimum: 1, description: "How many are missing" }),
    after: nullable(Type.String({ description: "The last request before them; null where the beginning is missing" })),
    before: Type.String({ description: "The first request after them" }),
    from: Type.String({ format: "date-time", description: "They were accepted after this time" }),
    to: Type.String({ format: "date-time", description: "They were accepted before this time" }),
  },
  { description: "Requests that their chain shows were accepted, and of which the store has nothing" },
);
const Finding = Type.Object({
  kind: Type.Enum(["missing", "gap", "changed", "unchained", "broken", "orphaned", "stuck"]),
  queue: Type.String(),
  id: Type.String(),
  what: Type.String({ description: "In words" }),
  gap: nullable(Gap),
});
export const Audit = Type.Object({
  holds: Type.Boolean(),
  queues: Type.Array(QueueAudit),
  hours: Type.Array(HourAudit),
  findings: Type.Array(Finding, { description: "At most a hundred of each kind for each queue" }),
});

const FailedAttempt = Type.Object({ attempt: Count, at: Time, error: Failure });
export const Attempts = Type.Object({
  failures: Type.Array(FailedAttempt, {
    description: "Attempts that failed and were tried again, the first one first; at most the last thousand",
  }),
});

const DeadGroup = Type.Object({
  error: Type.String({ description: "The code: a bulk replay takes it" }),
  count: Count,
  newest: Type.Object({ id: Type.String(), message: Type.String(), at: Time }),
});
export const DeadGroups = Type.Object({
  groups: Type.Array(DeadGroup, {
    description: "The largest first, at most a hundred; of the newest 100,000 dead requests",
  }),
});

/** Of the stream of a request. */
export const StateEvent = Type.Object({ state: State, at: Time });
export const ProgressEvent = Type.Object({
  progress: Type.Unknown({ description: "What the handler reported: any JSON" }),
});

const Carriers = Type.Union(
  [
    Type.Object({
      hints: Type.Union([Type.Literal("rabbitmq"), Type.Literal("postgres")]),
      notices: Type.Union([Type.Literal("redis"), Type.Literal("postgres")]),
    }),
    Type.Null(),
  ],
  {
    description: "What carries hints, and what notices and shared rates, between the processes; null outside a cluster",
  },
);

/** Of the stream of the overview. */
export const OverviewEvent = Type.Object({
  at: Time,
  version: Type.String(),
  ready: Type.Boolean(),
  problems: Type.Array(Failure),
  carriers: Carriers,
  queues: Type.Array(QueueView),
});
const QueueHistory = Type.Object({
  queue: Type.String(),
  at: Type.Array(Type.Number({ description: "Milliseconds since 1970" })),
  backlog: Type.Array(Count),
  accepted: Type.Array(Type.Number({ description: "Per hour, over the last minute" })),
  finished: Type.Array(Type.Number({ description: "Per hour, over the last minute" })),
});
export const HistoryEvent = Type.Object({ queues: Type.Array(QueueHistory) });
export const AuditEvent = Type.Object({
  at: Time,
  holds: Type.Boolean(),
  queues: Type.Array(Type.Object({ queue: Type.String(), accepted: Count, missing: Type.Integer() })),
  findings: Type.Integer({ minimum: 0, description: "GET /v1/audit names them" }),
});

export const ActivityList = Type.Object({
  activity: Type.Array(
    Type.Object({
      at: Time,
      what: Type.Enum([...activityKinds]),
      about: Type.String({
        description:
          "A queue's name, a request's id, a key's name and id, or a schedule's name with its queue and its times",
      }),
      requests: nullable(Type.Integer({ minimum: 0, description: "How many requests it changed" })),
      key: nullable(Type.String({ description: "The name of the API key that it was done with" })),
      sender: nullable(Type.String({ description: "Its owner" })),
      address: nullable(Type.String({ description: "Where the call came from; a proxy's where one is in front" })),
    }),
  ),
  nextCursor: nullable(Type.String()),
});

export const ScheduleView = Type.Object({
  name: Type.String(),
  queue: Type.String(),
  cron: Type.Optional(Type.String({ description: "Five fields; absent where `every` is given" })),
  every: Type.Optional(Type.String({ description: "A duration, counted from 1970-01-01T00:00Z" })),
  timeZone: nullable(Type.String({ description: "Of `cron`" })),
  missed: Type.Enum([...missedPolicies], {
    description: "Which of the ticks that passed while none could be submitted are submitted later",
  }),
  nextAt: nullable(Time),
  lastAt: nullable(
    Type.String({ format: "date-time", description: "The last tick that was submitted; null where none is known" }),
  ),
  lastId: nullable(Type.String({ format: "uuid", description: "Its request" })),
});
export const ScheduleList = Type.Object({ schedules: Type.Array(ScheduleView) });

export const Healing = Type.Object({ healed: Count });

export const ReceiptProof = Type.Object({
  id: Type.String(),
  verdict: Type.Union(
    [
      Type.Literal("stored"),
      Type.Literal("missing"),
      Type.Literal("gap"),
      Type.Literal("changed"),
      Type.Literal("unchained"),
      Type.Literal("broken"),
      Type.Literal("unknown"),
    ],
    {
      description:
        "gap: requests of its time are missing, and it may be one of them. unknown: never accepted, or expired since",
    },
  ),
  link: Type.Union([
    Type.Object({ chain: Type.String({ description: "The first request of its chain" }), place: Count }),
    Type.Null(),
  ]),
});

export const Liveness = Type.Object({ live: Type.Boolean() });
export const Readiness = Type.Object({
  ready: Type.Boolean(),
  problems: Type.Array(Failure),
  carriers: Carriers,
  keys: Type.Union([Type.String(), Type.Null()], {
    description:
      "Which content of the file of the API keys holds, as `sluice keys revoke` compares it; null while there is none, or it cannot be read",
  }),
});

/** What programs get at `/`. */
export const Index = Type.Object({
  name: Type.String(),
  version: Type.String(),
  links: Type.Record(Type.String(), Type.String({ format: "uri-reference" })),
});

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: "Stable" }),
    detail: Type.String(),
    line: Type.Optional(Type.Integer({ minimum: 1 })),
    parameter: Type.Optional(Type.String({ description: "Of the query or the body, or a header" })),
    paths: Type.Optional(Type.Array(Type.Object({ path: Type.String(), message: Type.String() }))),
    state: Type.Optional(State),
    error: Type.Optional(Failure),
  },
  { description: "RFC 9457" },
);

/** By the names that the API's description gives them. */
export const namedSchemas = {
  ActivityList,
  Attempts,
  Audit,
  AuditEvent,
  BatchAnswer,
  BatchLine,
  BatchReceipt,
  Counts,
  DeadGroup,
  DeadGroups,
  FailedAttempt,
  Failure,
  Finding,
  Forecast,
  Healing,
  HistoryEvent,
  HourAudit,
  Index,
  Liveness,
  OverviewEvent,
  Problem,
  ProgressEvent,
  Queue: QueueView,
  QueueAudit,
  QueueHistory,
  QueueList,
  Rates,
  Readiness,
  Receipt,
  ReceiptProof,
  ReplayAnswer,
  ReplayOrder,
  Request: RequestView,
  RequestList,
  Scaling: ScalingView,
  Schedule: ScheduleView,
  ScheduleList,
  State,
  StateEvent,
};

export type RequestView = Static<typeof RequestView>;
export type QueueView = Static<typeof QueueView>;
export type ScheduleView = Static<typeof ScheduleView>;
export type OverviewEvent = Static<typeof OverviewEvent>;
export type HistoryEvent = Static<typeof HistoryEvent>;
export type AuditEvent = Static<typeof AuditEvent>;
export type Forecast = Static<typeof Forecast>;
export type ReplayOrder = Static<typeof ReplayOrder>;
