// What the API's description says of each route: the one table. It is loaded when somebody asks for the description.
import { Type } from "typebox";
import type { TSchema } from "typebox";
import type { RouteName } from "../access/route-access.ts";
import {
  ActivityList,
  Attempts,
  Audit,
  AuditEvent,
  BatchAnswer,
  BatchLine,
  DeadGroups,
  Failure,
  Healing,
  HistoryEvent,
  Index,
  Liveness,
  OverviewEvent,
  ProgressEvent,
  QueueList,
  QueueView,
  Readiness,
  Receipt,
  ReceiptProof,
  ReplayAnswer,
  ReplayOrder,
  RequestList,
  RequestView,
  ScalingView,
  ScheduleList,
  StateEvent,
} from "../schemas.ts";
import { GroupList, GroupSettingsBody, GroupView, HeldOrderList, OrderReleased } from "../group-schemas.ts";
import { OrderAudit } from "../order-audit-schema.ts";
import { quotaHeaders, type HeaderName, type ParameterName, type ProblemName } from "./components.ts";

export const tags = {
  intake: "Hand requests in",
  requests: "Follow, cancel and replay requests",
  queues: "Watch and steer queues",
  audit: "Prove that nothing is lost",
  server: "The server itself",
} as const;

type Content = Readonly<Record<string, TSchema>>;

export interface OwnAnswer {
  readonly description: string;
  readonly headers?: readonly HeaderName[];
  readonly content?: Content;
}

export interface Operation {
  readonly id: string;
  readonly tag: keyof typeof tags;
  readonly summary: string;
  readonly description: string;
  /** Beside those of the path. */
  readonly parameters?: readonly ParameterName[];
  readonly body?: { readonly isRequired: boolean; readonly description: string; readonly content: Content };
  readonly answers: Readonly<Record<number, OwnAnswer>>;
  /** Beside those that every route has, or that its access brings. */
  readonly problems?: readonly ProblemName[];
}

const anyObject = Type.Object({}, { additionalProperties: true });
const bytes = Type.String({ format: "binary" });
/** Bytes of any media type: named are those that most use. */
const anyBytes: Content = {
  "application/json": Type.Unknown(),
  "text/plain": Type.String(),
  "application/octet-stream": bytes,
  "*/*": bytes,
};

/** The schema is that of the data of each event. */
function events(...data: readonly TSchema[]): Content {
  return { "text/event-stream": Type.Union([...data]) };
}

function json(schema: TSchema): Content {
  return { "application/json": schema };
}

const contentHeaders: readonly HeaderName[] = ["Content-Security-Policy", "X-Content-Type-Options"];
const waitHeaders: readonly HeaderName[] = ["Preference-Applied", "Idempotent-Replayed"];
const pageHeaders: readonly HeaderName[] = [
  "Cache-Control",
  "ETag",
  "Content-Security-Policy",
  "X-Content-Type-Options",
  "Referrer-Policy",
  "Content-Encoding",
  "Vary",
];

export const operations: Readonly<Record<Exclude<RouteName, "GET /assets/*">, Operation>> = {
  "POST /v1/queues/:queue/requests": {
    id: "submitRequest",
    tag: "intake",
    summary: "Accept a request",
    description:
      "Stores the body byte for byte, under any media type, and answers once it is durable. With `Prefer: wait=N` the answer is the outcome itself if it arrives in time, and the receipt if not. A key that was used before with the same body gives the receipt of the first request.",
    parameters: ["idempotencyKey", "prefer", "callback", "notBefore", "expires", "order", "group", "priority"],
    body: { isRequired: false, description: "What the handler or target gets", content: anyBytes },
    answers: {
      200: {
        description: "The result itself, after `Prefer: wait`",
        headers: [...quotaHeaders, ...waitHeaders, ...contentHeaders, "Sluice-Request-Id"],
        content: anyBytes,
      },
      202: {
        description: "The request is durable",
        headers: [...quotaHeaders, ...waitHeaders, "Location", "Retry-After"],
        content: json(Receipt),
      },
    },
    problems: [
      "BadSubmission",
      "Cancelled",
      "BodyTooLarge",
      "NotAccepted",
      "Unprocessable",
      "RateLimited",
      "Dead",
      "NotStored",
    ],
  },
  "POST /v1/queues/:queue/batches": {
    id: "submitBatch",
    tag: "intake",
    summary: "Accept many requests",
    description:
      "Accepts one request for each line of NDJSON, or for each event of a CloudEvents batch: all or none. The receipts come in the order of the lines, and an error names the line.",
    parameters: ["callback", "notBefore", "expires", "order", "group", "priority"],
    body: {
      isRequired: true,
      description: "One request on each line",
      content: {
        "application/x-ndjson": Type.String({
          description: "One JSON object on each line",
          contentMediaType: "application/x-ndjson",
          contentSchema: BatchLine,
        }),
        "application/cloudevents-batch+json": Type.Array(anyObject, { description: "CloudEvents" }),
      },
    },
    answers: {
      202: {
        description: "All requests are durable",
        headers: [...quotaHeaders, "Retry-After"],
        content: json(BatchAnswer),
      },
    },
    problems: ["BadBatch", "BatchTooLarge", "NotAccepted", "Unprocessable", "RateLimited", "NotStored"],
  },
  "GET /v1/requests": {
    id: "listRequests",
    tag: "requests",
    summary: "List requests",
    description: "Lists requests, the newest first, a page at a time. A key that is limited to some queues gets those.",
    parameters: ["ofQueue", "ofState", "ofKey", "limit", "cursor"],
    answers: { 200: { description: "A page", content: json(RequestList) } },
    problems: ["UnknownQueue", "Unavailable"],
  },
  "GET /v1/requests/:id": {
    id: "getRequest",
    tag: "requests",
    summary: "Get a request",
    description:
      "Tells the state, attempts, times, last error and expected finish. With `Prefer: wait=N` it answers once the request is final, or after N seconds.",
    parameters: ["prefer"],
    answers: { 200: { description: "The request", headers: ["Preference-Applied"], content: json(RequestView) } },
    problems: ["Unavailable"],
  },
  "GET /v1/requests/:id/result": {
    id: "getResult",
    tag: "requests",
    summary: "Get a result",
    description: "Gives the result's own bytes under its own media type.",
    answers: {
      200: { description: "The result", headers: [...contentHeaders, "Sluice-Request-Id"], content: anyBytes },
    },
    problems: ["NoResult", "Unavailable"],
  },
  "GET /v1/requests/:id/body": {
    id: "getBody",
    tag: "requests",
    summary: "Get the body of a request",
    description: "Gives the bytes that were sent, under the media type that they were sent with.",
    answers: { 200: { description: "The body", headers: contentHeaders, content: anyBytes } },
    problems: ["Unavailable"],
  },
  "GET /v1/requests/:id/attempts": {
    id: "listAttempts",
    tag: "requests",
    summary: "List failed attempts",
    description: "Lists the attempts that failed and were tried again, with the error of each.",
    answers: { 200: { description: "The attempts", content: json(Attempts) } },
    problems: ["Unavailable"],
  },
  "GET /v1/requests/:id/events": {
    id: "watchRequest",
    tag: "requests",
    summary: "Watch a request",
    description:
      "Server-sent events until the request is final: `state` with the state now and each change of it (its data is a StateEvent, its id names the state), `progress` with what the handler reports (a ProgressEvent). A comment keeps a quiet stream open.",
    parameters: ["lastEventId"],
    answers: {
      200: {
        description: "The events; the schema is that of an event's data",
        headers: ["X-Accel-Buffering"],
        content: events(StateEvent, ProgressEvent),
      },
      204: { description: "The client saw the last event: browsers do not connect again" },
    },
    problems: ["Unavailable"],
  },
  "POST /v1/requests/:id/replay": {
    id: "replayRequest",
    tag: "requests",
    summary: "Replay a dead request",
    description: "Runs a dead request again: same id, fresh attempts.",
    answers: { 202: { description: "The request as it is now", content: json(RequestView) } },
    problems: ["NotDead", "Unavailable"],
  },
  "POST /v1/requests/:id/cancel": {
    id: "cancelRequest",
    tag: "requests",
    summary: "Cancel a waiting request",
    description: "Cancels a request that waits or is scheduled. One that runs is not cancelled.",
    answers: { 200: { description: "The request as it is now", content: json(RequestView) } },
    problems: ["NotWaiting", "Unavailable"],
  },
  "GET /v1/queues": {
    id: "listQueues",
    tag: "queues",
    summary: "List queues",
    description: "Every queue: counts by state, rates, age of the oldest, forecast, workers.",
    answers: { 200: { description: "The queues", content: json(QueueList) } },
    problems: ["Unavailable"],
  },
  "GET /v1/queues/:queue": {
    id: "getQueue",
    tag: "queues",
    summary: "Get a queue",
    description: "One queue: counts by state, rates, age of the oldest, forecast, workers.",
    answers: { 200: { description: "The queue", content: json(QueueView) } },
    problems: ["Unavailable"],
  },
  "GET /v1/queues/:queue/dead": {
    id: "listDeadGroups",
    tag: "queues",
    summary: "Group dead requests by error",
    description: "Counts the dead requests of a queue by the code of their last error.",
    answers: { 200: { description: "The groups", content: json(DeadGroups) } },
    problems: ["Unavailable"],
  },
  "GET /v1/queues/:queue/scaling": {
    id: "getScaling",
    tag: "queues",
    summary: "Get the replicas that a queue needs",
    description:
      "How many replicas of its worker a queue needs to keep its goal, and why: an autoscaler can follow it.",
    answers: { 200: { description: "The decision", content: json(ScalingView) } },
    problems: ["Unavailable"],
  },
  "GET /v1/schedules": {
    id: "listSchedules",
    tag: "queues",
    summary: "List schedules",
    description:
      "The schedules that this gateway runs: when they tick, their next tick, and their last one with its request.",
    answers: { 200: { description: "The schedules", content: json(ScheduleList) } },
  },
  "POST /v1/queues/:queue/replay": {
    id: "replayQueue",
    tag: "queues",
    summary: "Replay dead requests of a queue",
    description: "Runs dead requests of a queue again, up to a limit; a dry run counts them and changes nothing.",
    body: {
      isRequired: false,
      description: "Which ones; without it, up to 1,000 of any error",
      content: json(ReplayOrder),
    },
    answers: { 200: { description: "How many", content: json(ReplayAnswer) } },
    problems: ["BodyTooLarge", "EncodingNotAccepted", "Unavailable"],
  },
  "POST /v1/queues/:queue/pause": {
    id: "pauseQueue",
    tag: "queues",
    summary: "Pause a queue",
    description: "Stops deliveries; intake continues.",
    answers: { 200: { description: "The queue as it is now", content: json(QueueView) } },
    problems: ["Unavailable"],
  },
  "POST /v1/queues/:queue/resume": {
    id: "resumeQueue",
    tag: "queues",
    summary: "Resume a queue",
    description: "Starts deliveries again.",
    answers: { 200: { description: "The queue as it is now", content: json(QueueView) } },
    problems: ["Unavailable"],
  },
  "GET /v1/queues/:queue/groups": {
    id: "listGroups",
    tag: "queues",
    summary: "List the largest groups",
    description:
      "Lists the groups of a queue that have requests without an outcome, the largest first, and those that were given settings at run time.",
    parameters: ["limit"],
    answers: { 200: { description: "The groups", content: json(GroupList) } },
    problems: ["Unavailable"],
  },
  "PUT /v1/queues/:queue/groups/:group": {
    id: "setGroup",
    tag: "queues",
    summary: "Set the limits of a group",
    description:
      "Sets what holds for one group instead of what its queue says, over restarts. What the body does not name, or names as null, is as the queue says; `{}` takes all of it back. What is delivered already goes on.",
    body: { isRequired: true, description: "All that is to hold for the group", content: json(GroupSettingsBody) },
    answers: { 200: { description: "The group as it is now", content: json(GroupView) } },
    problems: ["BodyTooLarge", "EncodingNotAccepted", "Unavailable"],
  },
  "POST /v1/queues/:queue/groups/:group/pause": {
    id: "pauseGroup",
    tag: "queues",
    summary: "Pause a group",
    description:
      "Stops deliveries of one group; intake and the other groups continue. What else was set for the group at run time stays.",
    answers: { 200: { description: "The group as it is now", content: json(GroupView) } },
    problems: ["Unavailable"],
  },
  "POST /v1/queues/:queue/groups/:group/resume": {
    id: "resumeGroup",
    tag: "queues",
    summary: "Resume a group",
    description: "Starts deliveries of the group again.",
    answers: { 200: { description: "The group as it is now", content: json(GroupView) } },
    problems: ["Unavailable"],
  },
  "GET /v1/queues/:queue/orders": {
    id: "listHeldOrders",
    tag: "queues",
    summary: "List the order keys that are held",
    description:
      'Lists the order keys that a dead request keeps from going on, by name. There are none unless the queue says `order: { afterDead: "hold" }`.',
    parameters: ["limit"],
    answers: { 200: { description: "The order keys", content: json(HeldOrderList) } },
    problems: ["Unavailable"],
  },
  "POST /v1/queues/:queue/orders/:order/release": {
    id: "releaseOrder",
    tag: "queues",
    summary: "Release an order key",
    description: "Lets the next request of an order key go that a dead one holds. The dead one stays dead.",
    answers: { 200: { description: "Whether it was held", content: json(OrderReleased) } },
    problems: ["Unavailable"],
  },
  "GET /v1/overview/events": {
    id: "watchQueues",
    tag: "queues",
    summary: "Watch all queues",
    description:
      "Server-sent events without an end: `history` first, with what was seen lately (a HistoryEvent), then `overview` about once a second (an OverviewEvent), `audit` with the verdict of each audit (an AuditEvent), `unreadable` when the queues cannot be read (a Failure). A comment keeps a quiet stream open.",
    answers: {
      200: {
        description: "The events; the schema is that of an event's data",
        headers: ["X-Accel-Buffering"],
        content: events(HistoryEvent, OverviewEvent, AuditEvent, Failure),
      },
    },
    problems: ["Unavailable"],
  },
  "GET /v1/activity": {
    id: "listActivity",
    tag: "server",
    summary: "List who did what",
    description:
      "Lists who paused, resumed, replayed, cancelled and healed, and which API keys were created and revoked: the newest first, a page at a time.",
    parameters: ["limit", "cursor"],
    answers: { 200: { description: "A page", content: json(ActivityList) } },
    problems: ["Unavailable"],
  },
  "GET /v1/audit": {
    id: "audit",
    tag: "audit",
    summary: "Audit all queues",
    description:
      "Counts every row and checks it, with its body, against the hash chain of what was accepted. A gap of the chain that retention does not explain is a loss. A gateway runs one audit at a time, and callers that arrive meanwhile share the next one: an answer is never older than its call. The answer is 200 also when the law does not hold: `holds` is the verdict.",
    answers: { 200: { description: "The verdict", content: json(Audit) } },
    problems: ["Unavailable"],
  },
  "GET /v1/audit/order": {
    id: "auditOrder",
    tag: "audit",
    summary: "Audit order keys",
    description:
      "Reads the stored requests of each order key in the order of acceptance, a replayed request from its last replay on, and reports each one that began before an earlier one had its outcome. In a cluster, two requests that different gateways accepted within a second may run in either order but not at once, and an overlap counts from 100 ms on. The answer is 200 also when there are inversions: `holds` is the verdict.",
    answers: { 200: { description: "The verdict", content: json(OrderAudit) } },
    problems: ["Unavailable"],
  },
  "GET /v1/audit/receipts/:id": {
    id: "proveReceipt",
    tag: "audit",
    summary: "Verify a receipt",
    description:
      "Looks one request up in the hash chain of what was accepted. Of an id that is in no link, it says whether requests of its time are missing.",
    answers: { 200: { description: "The verdict", content: json(ReceiptProof) } },
    problems: ["Unavailable"],
  },
  "POST /v1/audit/heal": {
    id: "heal",
    tag: "audit",
    summary: "Re-queue what is stuck",
    description: "Publishes hints again for requests that wait without one. Duplicates are harmless.",
    answers: { 200: { description: "How many requests; 0 where there is no broker", content: json(Healing) } },
    problems: ["NotFound", "Unavailable"],
  },
  "GET /metrics": {
    id: "getMetrics",
    tag: "server",
    summary: "Get metrics",
    description: "Every metric, in the text format of Prometheus.",
    answers: { 200: { description: "The metrics", content: { "text/plain": Type.String() } } },
    problems: ["Unavailable"],
  },
  "GET /openapi.json": {
    id: "getDescription",
    tag: "server",
    summary: "Get this description",
    description: "The API's description, in OpenAPI 3.1.",
    answers: { 200: { description: "The description", content: json(anyObject) } },
  },
  "GET /livez": {
    id: "getLiveness",
    tag: "server",
    summary: "Check that the process runs",
    description: "Answers as long as the process runs.",
    answers: { 200: { description: "The process runs", content: json(Liveness) } },
  },
  "GET /readyz": {
    id: "getReadiness",
    tag: "server",
    summary: "Check that new requests are accepted",
    description:
      "Tells whether the server accepts new requests, and what is out. A problem of a server that is ready is one that it works without.",
    answers: {
      200: { description: "The server accepts new requests", content: json(Readiness) },
      503: { description: "It does not", content: json(Readiness) },
    },
  },
  "GET /": {
    id: "getDashboard",
    tag: "server",
    summary: "Get the dashboard",
    description: "The dashboard for those who accept HTML; for others an index of the API.",
    answers: {
      200: {
        description: "The dashboard, or the index",
        headers: pageHeaders,
        content: { "application/json": Index, "text/html": Type.String() },
      },
      304: { description: "It did not change", headers: pageHeaders },
      503: { description: "The dashboard is not built", headers: ["Vary"], content: { "text/html": Type.String() } },
    },
  },
};
