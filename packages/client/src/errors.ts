import type { WireProblem } from "./wire.ts";

/**
 * By what the caller can do next:
 * - `refused`: a definite no; the same call will be refused again.
 * - `dead`: the request was accepted and its outcome is `dead`.
 * - `unavailable`: every answer was "not now"; nothing was stored. Try again later.
 * - `unknown`: no answer came. It may have been stored: try again with the same key.
 * - `timeout`: the wait ended before the outcome; the request goes on.
 */
export type SluiceClientErrorKind = "refused" | "dead" | "unavailable" | "unknown" | "timeout";

export interface SluiceClientErrorDetails {
  readonly kind: SluiceClientErrorKind;
  /** The stable code of the problem document, or one of the client's own. */
  readonly code: string;
  readonly status?: number | undefined;
  readonly problem?: WireProblem | undefined;
  /** The key to use when the call is made again. */
  readonly key?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/** Every error that the client makes. An abort is none: it throws the signal's own reason. */
export class SluiceClientError extends Error {
  readonly kind: SluiceClientErrorKind;
  readonly code: string;
  /** The HTTP status; undefined when no answer came. */
  readonly status: number | undefined;
  readonly problem: WireProblem | undefined;
  readonly key: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, details: SluiceClientErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "SluiceClientError";
    this.kind = details.kind;
    this.code = details.code;
    this.status = details.status;
    this.problem = details.problem;
    this.key = details.key;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** An item with the key under which it was, or may have been, sent. */
export interface KeyedItem<Item> {
  readonly key: string;
  readonly item: Item;
}

export interface SubmitManyErrorDetails<Item> {
  readonly cause: SluiceClientError;
  readonly acceptedCount: number;
  readonly unsettled: readonly KeyedItem<Item>[];
}

/** A batch failed. What came before it is accepted; what was under way may be. */
export class SubmitManyError<Item = unknown> extends SluiceClientError {
  /** How many items, from the first, have a receipt. */
  readonly acceptedCount: number;
  /** The items after those that were under way: submit them again with these keys. */
  readonly unsettled: readonly KeyedItem<Item>[];

  constructor({ cause, acceptedCount, unsettled }: SubmitManyErrorDetails<Item>) {
    super(`${cause.message} (accepted before it: ${acceptedCount})`, cause);
    this.name = "SubmitManyError";
    this.cause = cause;
    this.acceptedCount = acceptedCount;
    this.unsettled = unsettled;
  }
}
