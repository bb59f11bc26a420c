// What a handler gets and what it may answer.
import { SluiceError } from "../core/errors.ts";
import { parseDuration } from "../core/duration.ts";
import type { Content, StoredRequest } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import type { Sql } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";

/** The request as a handler sees it. */
export interface HandlerRequest {
  readonly id: RequestId;
  readonly queue: string;
  /** The client's Idempotency-Key, if it sent one. */
  readonly key: string | undefined;
  readonly contentType: string;
  /** The headers that travelled along: `ce-*`, `traceparent`, `tracestate`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly acceptedAt: Date;
  /** The body, byte for byte as it was sent. */
  readonly bytes: Uint8Array;
  text(): string;
  /** The body parsed as JSON; throws `Reject` when it is none, since trying again cannot help. */
  json(): unknown;
}

export interface HandlerContext {
  /** Aborts at the queue's timeout and when the worker has to stop. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  readonly log: Logger;
  /** Tells how far it got; shown with the request while it runs. */
  readonly progress: (value: unknown) => void;
  /**
   * The transaction that commits the outcome: what is written through it takes effect exactly once, with the result,
   * and not at all when the attempt fails. Sluice begins and ends it. Only where the queue is transactional.
   */
  readonly sql?: Sql | undefined;
}

/** Bytes of a type of its own, instead of the type that the value's kind implies. */
export interface TypedResult {
  readonly body: string | Uint8Array;
  readonly contentType: string;
}

/**
 * Runs once for each attempt. What it returns is the result: a string as text, bytes as bytes, `{ body, contentType }`
 * as itself, anything else as JSON. What it throws is a failed attempt; `Reject` and `RetryLater` say more.
 */
export type Handler = (request: HandlerRequest, context: HandlerContext) => unknown;

/**
 * What a handler throws is known by this mark, not by its class: a handler's project and the command that runs it
 * may each have a copy of this package.
 */
const verdict = Symbol.for("sluice.verdict");

/** Thrown by a handler: the request is dead at once, trying again cannot help. */
export class Reject extends Error {
  readonly [verdict] = "reject";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Reject";
  }
}

/** Thrown by a handler: not now, again after the delay (`"5m"`, or milliseconds). Counts as no failed attempt. */
export class RetryLater extends Error {
  readonly [verdict] = "retry-later";
  readonly delayMs: number;

  constructor(delay: string | number, message = "the handler asked for a later attempt", options?: ErrorOptions) {
    super(message, options);
    this.name = "RetryLater";
    this.delayMs = typeof delay === "number" ? delay : parseDuration(delay);
  }
}

export function isReject(error: unknown): error is Reject {
  return error instanceof Error && verdict in error && error[verdict] === "reject";
}

export function isRetryLater(error: unknown): error is RetryLater {
  return error instanceof Error && verdict in error && error[verdict] === "retry-later";
}

export function handlerRequestOf(request: StoredRequest): HandlerRequest {
  const { id, queue, key, contentType, headers, acceptedAt, body } = request;
  const text = (): string => decoder.decode(body);
  return {
    id,
    queue,
    key,
    contentType,
    headers: headers ?? {},
    acceptedAt: new Date(acceptedAt),
    bytes: body,
    text,
    json() {
      try {
        return JSON.parse(text());
      } catch (cause) {
        throw new Reject("the body is not JSON", { cause });
      }
    },
  };
}

/** A handler's return value as the bytes that are kept. */
export function contentOf(value: unknown): Content {
  if (typeof value === "string") return { contentType: "text/plain; charset=utf-8", bytes: encoder.encode(value) };
  if (value instanceof Uint8Array) return { contentType: "application/octet-stream", bytes: value };
  if (isTyped(value)) {
    const { body, contentType } = value;
    return { contentType, bytes: typeof body === "string" ? encoder.encode(body) : body };
  }
  return { contentType: "application/json", bytes: encoder.encode(jsonOf(value)) };
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "null";
  } catch (cause) {
    throw new SluiceError("rejected", "the handler's result cannot be written as JSON", { cause });
  }
}

function isTyped(value: unknown): value is TypedResult {
  if (typeof value !== "object" || value === null) return false;
  const { body, contentType } = value as Partial<TypedResult>;
  return typeof contentType === "string" && (typeof body === "string" || body instanceof Uint8Array);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
