// Every error code of Sluice, with what it means for whoever sees it. Codes are never reused.
import { storedText } from "./stored-text.ts";

/** By consequence: the caller's fault; try again later; drop the claim; stop the process. */
export type Consequence = "caller" | "unavailable" | "lost-claim" | "broken";

interface CodeEntry {
  readonly consequence: Consequence;
  /** The HTTP status an API answer with this code has. */
  readonly status: number;
  readonly title: string;
}

export const errorCodes = {
  "not-found": { consequence: "caller", status: 404, title: "There is no such thing here" },
  "unknown-queue": { consequence: "caller", status: 404, title: "There is no queue of this name" },
  "unknown-request": { consequence: "caller", status: 404, title: "There is no request with this id" },
  unauthorized: {
    consequence: "caller",
    status: 401,
    title: "A valid API key, or the proof that a route asks for, is needed",
  },
  forbidden: { consequence: "caller", status: 403, title: "The API key does not allow this" },
  "host-refused": { consequence: "caller", status: 421, title: "This is no name of this server" },
  "origin-refused": { consequence: "caller", status: 403, title: "A page of another origin may not call this" },
  "method-not-allowed": { consequence: "caller", status: 405, title: "This route does not take this method" },
  "bad-request": { consequence: "caller", status: 400, title: "The request could not be read" },
  "bad-parameter": { consequence: "caller", status: 400, title: "A parameter does not parse" },
  "bad-key": { consequence: "caller", status: 400, title: "The Idempotency-Key is malformed" },
  "bad-batch-line": { consequence: "caller", status: 400, title: "A line of the batch does not parse" },
  "bad-callback": { consequence: "caller", status: 400, title: "The callback URL is refused" },
  "callbacks-off": { consequence: "caller", status: 400, title: "This queue has no secret that could sign a callback" },
  "key-reused": { consequence: "caller", status: 422, title: "The key was used with another body" },
  "schema-mismatch": { consequence: "caller", status: 422, title: "The body does not fit the queue's schema" },
  "body-too-large": { consequence: "caller", status: 413, title: "The body is over the limit" },
  "batch-too-large": { consequence: "caller", status: 413, title: "The batch is over the limit" },
  "headers-too-large": { consequence: "caller", status: 431, title: "The headers are over the limit" },
  "encoding-not-accepted": { consequence: "caller", status: 415, title: "This content encoding is not accepted" },
  "type-not-accepted": { consequence: "caller", status: 415, title: "This content type is not accepted here" },
  "too-slow": { consequence: "caller", status: 408, title: "The request took too long to arrive" },
  "not-finished": { consequence: "caller", status: 409, title: "There is no outcome yet" },
  dead: { consequence: "caller", status: 409, title: "The request is dead" },
  cancelled: { consequence: "caller", status: 409, title: "The request was cancelled" },
  "not-dead": { consequence: "caller", status: 409, title: "Only a dead request can be replayed" },
  "not-waiting": { consequence: "caller", status: 409, title: "Only a request that waits can be cancelled" },
  "rate-limited": { consequence: "unavailable", status: 429, title: "The sender is over its own rate" },
  "backlog-full": { consequence: "unavailable", status: 503, title: "The queue's backlog is at its bound" },
  "disk-full": { consequence: "unavailable", status: 503, title: "The store has no room left" },
  "store-unavailable": { consequence: "unavailable", status: 503, title: "The store cannot be written now" },
  "keys-unreadable": { consequence: "unavailable", status: 503, title: "The API keys cannot be read now" },
  draining: { consequence: "unavailable", status: 503, title: "The server is shutting down" },
  "out-of-descriptors": { consequence: "unavailable", status: 503, title: "No file descriptor is left" },
  overloaded: { consequence: "unavailable", status: 503, title: "Too much is waiting to be stored" },
  internal: { consequence: "broken", status: 500, title: "Something broke inside Sluice" },
  "lost-claim": { consequence: "lost-claim", status: 409, title: "The request was handed to somebody else" },
  "bad-config": { consequence: "caller", status: 400, title: "The configuration is wrong" },
  "unsafe-store": { consequence: "broken", status: 500, title: "The store's settings are unsafe" },
  "store-damaged": {
    consequence: "broken",
    status: 500,
    title: "The store is damaged, incomplete or older than it was",
  },
  "schema-newer": { consequence: "caller", status: 500, title: "The store was written by a newer Sluice" },
  "schema-older": { consequence: "caller", status: 500, title: "The store was written by an older Sluice" },
  "schema-missing": { consequence: "caller", status: 500, title: "The database has no Sluice in it" },
  "wrong-queue": { consequence: "caller", status: 500, title: "The broker's queue is of another kind than needed" },
  "commit-unknown": { consequence: "unavailable", status: 503, title: "The store went away during a commit" },
  "folder-owned": { consequence: "unavailable", status: 503, title: "The data folder has an owner already" },
  unreachable: { consequence: "unavailable", status: 502, title: "The server cannot be reached" },
  timeout: { consequence: "unavailable", status: 504, title: "The handler or target took too long" },
  "address-refused": { consequence: "caller", status: 502, title: "The address may not be called" },
  "target-status": { consequence: "unavailable", status: 502, title: "The target answered with an error" },
  "target-encoding": { consequence: "unavailable", status: 502, title: "The target's response cannot be decoded" },
  unsendable: { consequence: "caller", status: 502, title: "The request cannot be sent over HTTP" },
  "result-too-large": { consequence: "caller", status: 502, title: "The result is over the limit" },
  "bad-result": { consequence: "caller", status: 502, title: "The handler's result cannot be stored" },
  "value-refused": { consequence: "caller", status: 422, title: "The store cannot hold this value" },
  "handler-threw": { consequence: "unavailable", status: 502, title: "The handler threw" },
  rejected: { consequence: "caller", status: 502, title: "The handler rejected the request" },
  expired: { consequence: "caller", status: 502, title: "The request had not begun when it expired" },
  poison: { consequence: "caller", status: 502, title: "The request killed its worker again and again" },
} as const satisfies Readonly<Record<string, CodeEntry>>;

export type ErrorCode = keyof typeof errorCodes;

export interface ErrorDetails {
  readonly cause?: unknown;
  /** When the caller may try again, in seconds. */
  readonly retryAfterSeconds?: number;
  /** The refused request may be in the store: to store it elsewhere too could double it. */
  readonly isInDoubt?: boolean;
  /** More fields for the problem document, such as the line of a batch. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** The one error class: `code` is stable, `message` says the rule and the value. */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterSeconds: number | undefined;
  readonly isInDoubt: boolean;
  readonly fields: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "SluiceError";
    this.code = code;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.isInDoubt = details.isInDoubt === true;
    this.fields = details.fields;
  }

  get consequence(): Consequence {
    return errorCodes[this.code].consequence;
  }

  get isRetryable(): boolean {
    return this.consequence === "unavailable";
  }
}

/** What was thrown, as text for people that may be stored. Anything can be thrown: no property of it is trusted. */
export function messageOf(thrown: unknown): string {
  try {
    return storedText(textOf(thrown));
  } catch {
    return "what was thrown cannot be shown"; // its getters throw, or it has no text at all
  }
}

function textOf(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null) return String(thrown);
  const { message, name } = thrown as { readonly message?: unknown; readonly name?: unknown };
  if (message !== undefined && message !== "") return typeof message === "string" ? message : shown(message);
  return typeof name === "string" ? name : shown(thrown);
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? `a ${typeof value}`;
}

/** Stops loudly when an invariant does not hold. */
export function invariant(holds: boolean, message: string): asserts holds {
  if (!holds) throw new SluiceError("internal", `broken invariant: ${message}`);
}
