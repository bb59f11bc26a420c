// What a handler gets and what it may answer.
import { parseDuration } from "../core/duration.ts";
import type { StoredRequest } from "../core/request.ts";
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
  /** As the sender's request had it; undefined unless it came over the front. */
  readonly method: string | undefined;
  /** With the query, as the sender's request had it; undefined unless it came over the front. */
  readonly path: string | undefined;
  /** The headers that were kept, by their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly acceptedAt: Date;
  /** The time before which its sender did not want it to begin, if it named one. */
  readonly notBefore: Date | undefined;
  /** The time at which it would have expired, had it not begun, if its sender named one. */
  readonly expires: Date | undefined;
  /** The body, byte for byte as it was sent; a copy that the handler may change or give away. */
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
  /** Tells how far it got, in up to 8 KiB of JSON; shown with the request while it runs. */
  readonly progress: (value: unknown) => void;
  /**
   * The transaction that commits the outcome: what is written through it takes effect exactly once, with the result,
   * and not at all when the attempt fails. Sluice begins and ends it. Only where the queue is transactional.
   * One statement a call: several in one text are refused. What a statement sets of the session ends with the attempt.
   */
  readonly sql?: Sql | undefined;
}

/** Text or bytes of a type of its own, instead of the type that the value's kind implies. */
export interface TypedResult {
  readonly body: string | ArrayBuffer | ArrayBufferView | Blob | URLSearchParams;
  /** A media type, such as `text/html; charset=utf-8`. */
  readonly contentType: string;
}

/**
 * Runs once for each attempt. What it returns is the result: a string as text, bytes and a Blob as bytes, URLSearchParams as
 * a form, `{ body, contentType }` as itself, anything else as JSON. A value that JSON would lose (a Map, an Error, a stream, a
 * promise inside an object) ends the request dead. What it throws is a failed attempt; `Reject` and `RetryLater` say more.
 */
export type Handler = (request: HandlerRequest, context: HandlerContext) => unknown;

/**
 * What a handler throws is known by this mark, not by its class: a handler's project and the command that runs it
 * may each have a copy of this package.
 */
export const verdict = Symbol.for("sluice.verdict");

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

export function handlerRequestOf(request: StoredRequest): HandlerRequest {
  const { id, queue, key, contentType, method, path, headers, acceptedAt, placement, body } = request;
  let bytes: Uint8Array | undefined;
  const text = (): string => decoder.decode(body);
  return {
    id,
    queue,
    key,
    contentType,
    method,
    path,
    headers: headers ?? {},
    acceptedAt: new Date(acceptedAt),
    notBefore: dateOf(placement?.notBefore),
    expires: dateOf(placement?.expiresAt),
    // The body's memory is shared with the requests that were delivered with it: a handler never gets hold of it.
    get bytes() {
      return (bytes ??= new Uint8Array(body));
    },
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

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

const decoder = new TextDecoder();
