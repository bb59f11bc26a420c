// What the calls of the client take, and what a submit gives back.
import type { RepeatPolicy } from "./backoff.ts";
import type { Result } from "./result.ts";
import type { Placement } from "./placement.ts";
import type { WireReceipt, WireReplayOrder, WireState } from "./wire.ts";

export interface ClientOptions {
  /** Where the gateway listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** Instead of the global fetch. */
  readonly fetch?: typeof fetch | undefined;
  /** How often and how long a call is attempted; the default is eight attempts within two minutes. */
  readonly retry?: Partial<RepeatPolicy> | undefined;
}

export interface CallOptions {
  /** Ends the call; it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface SubmitOptions extends CallOptions, Placement {
  /** The Idempotency-Key, unique in its queue; a generated one if absent. */
  readonly key?: string | undefined;
  readonly contentType?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The URL that is told of the outcome; the queue's own unless given. */
  readonly callback?: string | undefined;
  /** Waits for the outcome, from 1 to 60 seconds; if it comes in time, `result` is there. */
  readonly waitSeconds?: number | undefined;
}

export interface Submitted {
  readonly id: string;
  readonly key: string;
  readonly state: WireState;
  /** True when the same key and body had been accepted before. */
  readonly replayed: boolean;
  /** Undefined when the result came in its place. */
  readonly receipt: WireReceipt | undefined;
  /** Set when the outcome came within `waitSeconds`. */
  readonly result: Result | undefined;
}

/** The times, and the callback, are those of items that name none. */
export interface SubmitManyOptions extends CallOptions, Placement {
  /** Requests in a batch at the most, by default 500. */
  readonly batchSize?: number | undefined;
  /** Bytes in a batch at the most, by default 1 MiB. */
  readonly batchBytesMax?: number | undefined;
  /** The URL that is told of the outcomes of items that name none; the queue's own unless given. */
  readonly callback?: string | undefined;
  /** Batches under way at once, by default 4. */
  readonly underWayMax?: number | undefined;
}

export interface WaitOptions extends CallOptions {
  /** How long to wait for the outcome, in milliseconds; without it, until it comes. */
  readonly timeoutMs?: number | undefined;
}

export interface ListOptions extends CallOptions {
  readonly queue?: string | undefined;
  readonly state?: WireState | undefined;
  readonly key?: string | undefined;
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

export interface ReplayManyOptions extends CallOptions, WireReplayOrder {}
