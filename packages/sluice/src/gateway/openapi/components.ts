// What several operations of the API's description share: headers, parameters, problems. Each stands once in the description, and
// operations refer to it by its name here.
import { Type } from "typebox";
import type { TSchema } from "typebox";
import { errorCodes, type ErrorCode } from "../../core/errors.ts";
import { states } from "../../core/request.ts";
import type { GatewayLimits } from "../limits.ts";
import { listLimitDefault } from "../list-query.ts";

interface Header {
  readonly description: string;
  readonly schema: TSchema;
}

/** By the names that travel. */
export const headers = {
  "Accept-Encoding": {
    description: "The content codings that are accepted",
    schema: Type.Literal("identity"),
  },
  "Cache-Control": { description: "Whether caches may keep it", schema: Type.String() },
  "Content-Encoding": { description: "How the body is compressed", schema: Type.Enum(["br", "gzip"]) },
  "Content-Security-Policy": { description: "What a browser may do with it", schema: Type.String() },
  ETag: { description: "Changes with the content", schema: Type.String() },
  "Idempotent-Replayed": {
    description: "Present when the receipt is that of an earlier request with the same key and body",
    schema: Type.Literal("true"),
  },
  Location: { description: "The path of the request", schema: Type.String({ format: "uri-reference" }) },
  "Preference-Applied": {
    description: "The wait that was applied; absent when the call did not wait",
    schema: Type.String({ pattern: "^wait=[0-9]+$" }),
  },
  RateLimit: {
    description:
      "What is left of the key's own rate (draft-ietf-httpapi-ratelimit-headers); absent when the key has none",
    schema: Type.String({ pattern: '^"requests";r=[0-9]+;t=[0-9]+$' }),
  },
  "RateLimit-Policy": {
    description: "The key's own rate; absent when it has none",
    schema: Type.String({ pattern: '^"requests";q=[0-9]+;w=[0-9]+$' }),
  },
  "Referrer-Policy": { description: "What browsers tell other sites", schema: Type.String() },
  "Retry-After": { description: "When to ask again, in seconds", schema: Type.Integer({ minimum: 0 }) },
  "Sluice-Request-Id": { description: "The request whose outcome this is", schema: Type.String({ format: "uuid" }) },
  Vary: { description: "The request headers that the answer depends on", schema: Type.String() },
  "WWW-Authenticate": { description: "What the key lacks (RFC 6750)", schema: Type.String() },
  "X-Accel-Buffering": { description: "nginx passes each event on at once", schema: Type.Literal("no") },
  "X-Content-Type-Options": { description: "Browsers do not guess another type", schema: Type.Literal("nosniff") },
} as const satisfies Readonly<Record<string, Header>>;

export type HeaderName = keyof typeof headers;

export const quotaHeaders: readonly HeaderName[] = ["RateLimit", "RateLimit-Policy"];

interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly required?: boolean;
  readonly schema: TSchema;
  readonly example?: string;
}

/** By what operations call them. The gateway parses each one itself: it coerces none. */
export function parametersWithin({ listLimitMax, waitSecondsMax }: GatewayLimits) {
  return {
    queue: { name: "queue", in: "path", required: true, description: "The queue's name", schema: Type.String() },
    id: {
      name: "id",
      in: "path",
      required: true,
      description: "The request's id, as its receipt names it",
      schema: Type.String({ format: "uuid" }),
    },
    idempotencyKey: {
      name: "Idempotency-Key",
      in: "header",
      description:
        "The client's own key of the request, so that it is stored once however often it is sent: 1 to 255 ASCII characters, bare or as a structured-field string in double quotes. A CloudEvent without one has a key made of its source and id.",
      schema: Type.String(),
      example: "order-1042",
    },
    prefer: {
      name: "Prefer",
      in: "header",
      description: `\`wait=N\` (RFC 7240) waits up to N seconds for the outcome, and at most ${waitSecondsMax}.`,
      schema: Type.String(),
      example: "wait=30",
    },
    callback: {
      name: "Sluice-Callback",
      in: "header",
      description:
        "The URL that the outcome is posted to, signed; in a batch, that of lines without a `callback`. The queue needs a secret to sign with.",
      schema: Type.String({ format: "uri" }),
    },
    notBefore: {
      name: "Sluice-Not-Before",
      in: "header",
      description:
        "The request does not begin before this time: RFC 3339 with its offset, or a duration from now such as `30s`, `5m`, `2h` or `7d` (units `ms`, `s`, `m`, `h`, `d`), at most 366 days ahead. A time that has passed has no effect. In a batch, for lines without a `notBefore`.",
      schema: Type.String(),
      example: "2026-12-24T18:00:00Z",
    },
    order: {
      name: "Sluice-Order",
      in: "header",
      description:
        "The order key: requests of a queue with the same one run one after another, in the order of acceptance; a retry keeps its place. 1 to 255 printable ASCII characters other than `.` and `..`, bare or in double quotes. In a batch, for lines without an `order`.",
      schema: Type.String(),
      example: "account-4711",
    },
    group: {
      name: "Sluice-Group",
      in: "header",
      description:
        "The group, such as a tenant: groups share the queue's starts fairly, and can have limits. Written as `Sluice-Order`. In a batch, for lines without a `group`.",
      schema: Type.String(),
      example: "tenant-a",
    },
    priority: {
      name: "Priority",
      in: "header",
      description:
        "RFC 9218: of `u=N` the urgency from 0, the most urgent, to 7; 3 unless given. What does not parse is ignored, and so is all of it on the cluster engine. In a batch, for lines without a `priority`.",
      schema: Type.String(),
      example: "u=1",
    },
    expires: {
      name: "Sluice-Expires",
      in: "header",
      description:
        "A request that has not begun by this time ends dead as `expired`. A time or a duration as for `Sluice-Not-Before`, at most 732 days ahead, and later than that header's. In a batch, for lines without an `expires`.",
      schema: Type.String(),
      example: "2h",
    },
    lastEventId: {
      name: "Last-Event-ID",
      in: "header",
      description: "The id of the last event that the client saw: browsers send it when they connect again.",
      schema: Type.String(),
    },
    ofQueue: { name: "queue", in: "query", description: "Only requests of this queue", schema: Type.String() },
    ofState: { name: "state", in: "query", description: "Only requests in this state", schema: Type.Enum([...states]) },
    ofKey: { name: "key", in: "query", description: "Only requests with this Idempotency-Key", schema: Type.String() },
    limit: {
      name: "limit",
      in: "query",
      description: "How many requests a page has at most",
      schema: Type.Integer({
        minimum: 1,
        maximum: listLimitMax,
        default: Math.min(listLimitDefault, listLimitMax),
      }),
    },
    cursor: {
      name: "cursor",
      in: "query",
      description: "`nextCursor` of the page before",
      schema: Type.String(),
    },
  } as const satisfies Readonly<Record<string, Parameter>>;
}

export type ParameterName = keyof ReturnType<typeof parametersWithin>;

interface ProblemAnswer {
  readonly description: string;
  readonly codes: readonly [ErrorCode, ...ErrorCode[]];
  readonly headers?: readonly HeaderName[];
  /** Where it is not that of the codes. */
  readonly status?: number;
}

/** Each status of an operation has one of them. */
export const problems = {
  BadRequest: { description: "The request could not be read", codes: ["bad-request", "bad-parameter"] },
  BadSubmission: {
    description: "A header, a parameter or the body does not parse",
    codes: ["bad-request", "bad-parameter", "bad-key", "bad-callback", "callbacks-off"],
    headers: quotaHeaders,
  },
  BadBatch: {
    description: "A line, a header or a parameter does not parse; `line` names the line",
    codes: ["bad-request", "bad-parameter", "bad-batch-line", "bad-key", "bad-callback", "callbacks-off"],
    headers: quotaHeaders,
  },
  Unauthorized: {
    description: "There is no valid API key in `Authorization`",
    codes: ["unauthorized"],
    headers: ["WWW-Authenticate"],
  },
  Forbidden: {
    description: "The API key does not allow it",
    codes: ["forbidden", "origin-refused"],
    headers: ["WWW-Authenticate"],
  },
  Misdirected: { description: "`Host` is no name of this server", codes: ["host-refused"] },
  UnknownQueue: { description: "There is no such queue", codes: ["unknown-queue", "not-found"] },
  UnknownRequest: { description: "There is no such request", codes: ["unknown-request", "not-found"] },
  NotFound: { description: "It is not here: admin routes can have a listener of their own", codes: ["not-found"] },
  TooSlow: { description: "The request took too long to arrive", codes: ["too-slow"] },
  NoResult: {
    description: "The request has no result, or none yet; `error` says why it is dead",
    codes: ["not-finished", "dead", "cancelled"],
    headers: ["Retry-After"],
  },
  Cancelled: {
    description: "The request was cancelled during the wait",
    codes: ["cancelled"],
    headers: [...quotaHeaders, "Preference-Applied", "Idempotent-Replayed"],
  },
  NotDead: { description: "Only a dead request can be replayed; `state` names its state", codes: ["not-dead"] },
  NotWaiting: {
    description: "Only a request that waits can be cancelled; `state` names its state",
    codes: ["not-waiting"],
  },
  BodyTooLarge: { description: "The body is over the limit", codes: ["body-too-large"], headers: quotaHeaders },
  BatchTooLarge: {
    description: "The batch, or the body of a line, is over the limit",
    codes: ["batch-too-large", "body-too-large"],
    headers: quotaHeaders,
  },
  NotAccepted: {
    description: "The content coding is not accepted, or the content type is not a media type",
    codes: ["encoding-not-accepted", "type-not-accepted"],
    headers: [...quotaHeaders, "Accept-Encoding"],
  },
  EncodingNotAccepted: {
    description: "The content coding is not accepted",
    codes: ["encoding-not-accepted"],
    headers: ["Accept-Encoding"],
  },
  Unprocessable: {
    description:
      "The key came with another body before, or the body does not fit the queue's JSON Schema; `paths` says where",
    codes: ["key-reused", "schema-mismatch", "value-refused"],
    headers: quotaHeaders,
  },
  RateLimited: {
    description: "The sender is over its own rate",
    codes: ["rate-limited"],
    headers: [...quotaHeaders, "Retry-After"],
  },
  HeadersTooLarge: { description: "The headers are over the limit", codes: ["headers-too-large"] },
  Internal: {
    description: "Something broke inside Sluice",
    codes: ["internal", "store-damaged", "unsafe-store"],
    headers: quotaHeaders,
  },
  Dead: {
    description: "The request ended dead during the wait; `error` says why",
    codes: ["dead"],
    status: 502,
    headers: [...quotaHeaders, "Sluice-Request-Id", "Preference-Applied", "Idempotent-Replayed"],
  },
  Unavailable: {
    description: "It cannot be read or changed now",
    codes: ["store-unavailable", "overloaded", "disk-full", "draining", "keys-unreadable"],
    headers: ["Retry-After"],
  },
  NotStored: {
    description: "Nothing was stored: try again",
    codes: ["store-unavailable", "overloaded", "disk-full", "draining", "keys-unreadable", "backlog-full"],
    headers: [...quotaHeaders, "Retry-After"],
  },
} as const satisfies Readonly<Record<string, ProblemAnswer>>;

export type ProblemName = keyof typeof problems;

export function statusOf(name: ProblemName): number {
  const { codes, status = errorCodes[codes[0]].status }: ProblemAnswer = problems[name];
  return status;
}
